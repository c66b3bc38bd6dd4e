#include <fmt/format.h>

#include "cli/ops_files.h"
#include "util/yaml.h"

namespace imgbuild {
namespace {

/// The project's windows, as operators of such deployments know them: a shell on each machine and one in its folder, an authority's log,
/// and on the primary the accounts and logs of the services.
class Windows {
 public:
  explicit Windows(const OpsInput& input) : input_(input) {}

  std::vector<yaml::Node> all() {
    add("l", {fmt::format("cd {}", shell_word(input_.environment_file.parent_path().native()))});
    for (const Machine& machine : input_.environment.machines) add_machine(machine);
    if (input_.primary != nullptr) add_services(*input_.primary);
    return std::move(windows_);
  }

 private:
  [[nodiscard]] std::string ssh(const Machine& machine, const std::string& command = "") const {
    const std::string words = command.empty() ? "" : " " + command;
    return fmt::format("ssh {}-F {} {}{}", command.empty() ? "" : "-t ", shell_word((input_.folder / "ssh_config").native()), machine.name, words);
  }

  void add(const std::string& name, const std::vector<std::string>& commands) {
    windows_.push_back(yaml::map({{name, commands.size() == 1 ? yaml::string(commands.front()) : yaml::strings(commands)}}));
  }

  void add_machine(const Machine& machine) {
    const std::string name = short_name(input_.environment, machine);
    add(name, {ssh(machine), "sudo -s"});
    if (machine.role == kAuthorityRole) add(name + "-l", {ssh(machine, "sudo eolog")});
    add(name + "-d", {fmt::format("cd {}", shell_word(input_.folder.parent_path().native()))});
  }

  void add_services(const Machine& primary) {
    const std::vector<std::string> account = {ssh(primary), "sudo -s", "su - ballotbox"};
    const auto with = [&](std::vector<std::string> more) {
      more.insert(more.begin(), account.begin(), account.end());
      return more;
    };
    add("ae", account);
    add("at", with({"source ~/tenv/bin/activate", "cd ~/misc-tools"}));
    add("adm", with({"source ~/env/bin/activate", "cd ~/ballot-box/admin"}));
    add("nx-l", {ssh(primary, "sudo tail -F /var/log/nginx/access.log")});
    add("ae-l", {ssh(primary, "sudo supervisorctl tail -f ballot-box")});
    add("ath-l", {ssh(primary, "sudo supervisorctl tail -f iam")});
    add("cel-l", {ssh(primary, "sudo supervisorctl tail -f iam_celery")});
  }

  const OpsInput& input_;
  std::vector<yaml::Node> windows_;
};

}  // namespace

std::string ops_tmuxinator(const OpsInput& input) {
  return yaml::emit(yaml::map({{"name", yaml::string(input.environment.deployment)},
                               {"root", yaml::string(input.folder.native())},
                               // A server that runs already has read its configuration: this project has one of its own.
                               {"socket_name", yaml::string(input.environment.deployment)},
                               {"tmux_options", yaml::string("-f " + shell_word(input.folder / "tmux.conf"))},
                               {"windows", yaml::list(Windows(input).all())}}));
}

std::string ops_tmux_conf() {
  return R"(# Made by `imgbuild ops`.
set -g prefix C-a
unbind C-b
bind C-a send-prefix
# Between windows, without the prefix.
bind -n C-Left previous-window
bind -n C-Right next-window
set -g status-style bg=green,fg=black
set -g history-limit 50000
# What a connection said last stays to be read when it ends.
set -g remain-on-exit on
)";
}

}  // namespace imgbuild
