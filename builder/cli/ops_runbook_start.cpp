#include <algorithm>

#include "cli/ops_runbook.h"

namespace imgbuild {

void add_first_start(Runbook& book) {
  book.add("## First start");
  book.code({book.imgbuild("deployment"), book.imgbuild_ops()});
  book.add("On EC2: apply `terraform.tf.json` or `cloudformation.json` (the security groups and the backup plan), then");
  std::vector<std::string> lines;
  std::vector<std::string> roles;
  for (const Machine* machine : book.ours()) {
    if (std::ranges::find(roles, machine->role) != roles.end()) continue;
    roles.push_back(machine->role);
    lines.push_back(book.imgbuild("ami upload " + machine->role));
  }
  lines.push_back(book.imgbuild("ami launch", "--subnet SUBNET --dry-run"));
  lines.push_back(book.imgbuild("ami launch", "--subnet SUBNET"));
  book.code(lines);
  book.add("Elsewhere: start each machine with its image and its seed as second disk. Then, until all say `ready`:");
  lines.clear();
  for (const Machine* machine : book.ours()) lines.push_back(book.ssh(*machine, "sudo appliance status"));
  book.code(lines);
}

}  // namespace imgbuild
