#include "cli/cli.h"

int main(int argc, char** argv) { return imgbuild::run_command_line(argc, argv); }
