#pragma once

#include <CLI/CLI.hpp>

#include "cli/session.h"

/// Each function adds one command with its options to 'app'; its work runs when the command line has been read.
namespace imgbuild {

void add_recipe_command(CLI::App& app, Session& session);
void add_deployment_command(CLI::App& app, Session& session);
void add_seed_command(CLI::App& app, Session& session);
void add_base_command(CLI::App& app, Session& session);
void add_boot_command(CLI::App& app, Session& session);
void add_doctor_command(CLI::App& app, Session& session);
void add_ami_command(CLI::App& app, Session& session);
void add_ops_command(CLI::App& app, Session& session);
void add_lock_command(CLI::App& app, Session& session);
void add_bundle_command(CLI::App& app, Session& session);
void add_explain_command(CLI::App& app, Session& session);
void add_verify_command(CLI::App& app, Session& session);
void add_inspect_command(CLI::App& app, Session& session);
void add_diff_command(CLI::App& app, Session& session);
void add_sign_command(CLI::App& app, Session& session);
void add_cache_command(CLI::App& app, Session& session);
void add_peers_command(CLI::App& app, Session& session);

}  // namespace imgbuild
