#include "cli/ops_runbook.h"

#include <fmt/ranges.h>

namespace imgbuild {
namespace {

void add_machines(Runbook& book) {
  book.add("# Runbook of {}\n\nIt holds no secret. When `{}` has changed, make it and the files beside it anew:", book.env().deployment, book.file());
  book.code({book.imgbuild_ops()});
  book.add("| machine | role | private | public | kept by |\n|---|---|---|---|---|");
  for (const Machine& machine : book.env().machines) {
    book.add("| {} | {} | {} | {} | {} |", machine.name, machine.role, machine.private_ip, machine.public_ip.empty() ? "–" : machine.public_ip,
             machine.external == Machine::External::yes ? "somebody else" : "us");
  }
  book.add("\nAll windows at once: `tmuxinator start -p {}`; from another terminal `tmux -L {} attach`. One machine: `{}`.\n",
           shell_word(book.input().folder / "tmuxinator.yml"), book.env().deployment,
           book.login(book.ours().empty() ? book.env().machines.front() : *book.ours().front()));
}

}  // namespace

Runbook::Runbook(const OpsInput& input) : input_(input) {
  for (const Machine& machine : env().machines) {
    (machine.external == Machine::External::yes ? others_ : ours_).push_back(&machine);
    if (is_web(machine.role)) web_.push_back(&machine);
  }
}

void Runbook::code(const std::vector<std::string>& lines) {
  text_ += fmt::format("{}```\n{}\n```\n\n", text_.ends_with("\n\n") ? "" : "\n", fmt::join(lines, "\n"));
}

void Runbook::steps(std::vector<std::string> lines) {
  lines.insert(lines.begin(), {"(", "set -eu"});
  lines.emplace_back(")");
  code(lines);
}

void Runbook::one_of(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    if (&line != &lines.front()) add("or");
    code({line});
  }
}

std::string Runbook::login(const Machine& machine) const {
  return fmt::format("ssh -F {} {}", shell_word(input_.folder / "ssh_config"), machine.name);
}

std::string Runbook::ssh(const Machine& machine, const std::string& command, Input input) const {
  const char* const option = input == Input::none ? "-n " : "";
  return fmt::format("ssh {}-F {} {} {}", option, shell_word(input_.folder / "ssh_config"), machine.name, command);
}

std::string Runbook::imgbuild(const std::string& command, const std::string& more) const {
  const std::string output = input_.output_root.empty() ? "" : " -o " + shell_word(input_.output_root);
  return fmt::format("./builder/imgbuild {} --env {}{}{}{}", command, shell_word(input_.environment_file), output, more.empty() ? "" : " ", more);
}

std::vector<const Machine*> Runbook::sharers() const {
  std::vector<const Machine*> machines;
  for (const Machine* machine : ours_) {
    if (is_web(machine->role) && machine->keys == KeyOrigin::seed) machines.push_back(machine);
  }
  return machines;
}

std::string Runbook::in_vault(const std::string& entry) const {
  return shell_word(input_.environment_file.parent_path() / vault_folder(env()).filename() / entry);
}

std::vector<std::string> Runbook::out_of_vault(const std::string& secret, const std::string& counterpart) const {
  const std::string replaced = in_vault("replaced/" + secret.substr(0, secret.rfind('/')));
  return {"mkdir -p " + replaced, fmt::format("mv {} {} {}/", in_vault(secret), in_vault(counterpart), replaced),
          fmt::format("sed -i '\\|^{}$|d' {}", secret, in_vault("index"))};
}

std::vector<std::string> Runbook::back_into_vault(const std::string& secret, const std::string& counterpart) const {
  const std::string folder = secret.substr(0, secret.rfind('/'));
  return {fmt::format("mv {} {} {}/", in_vault("replaced/" + secret), in_vault("replaced/" + counterpart), in_vault(folder)), imgbuild("seed")};
}

std::string Runbook::send(const Machine& machine, const std::string& entry, const std::string& path) const {
  return fmt::format("{} < {}", ssh(machine, fmt::format("\"sudo tee {} > /dev/null\"", path), Input::given), in_vault(entry));
}

std::string Runbook::imgbuild_ops(const Machine* primary) const {
  std::vector<std::string> flags;
  if (input_.address == OpsInput::Address::public_ip) flags.emplace_back("--public");
  if (input_.cloudflare == OpsInput::Cloudflare::yes) flags.emplace_back("--cloudflare");
  if (primary != nullptr && primary->role != kMasterRole) flags.push_back("--primary " + primary->name);
  return imgbuild("ops", fmt::format("{}", fmt::join(flags, " ")));
}

std::string Runbook::instance_id(const Machine& machine) const {
  return fmt::format("$(aws ec2 describe-instances --filters Name=tag:imgbuild:machine,Values={}/{} "
                     "Name=instance-state-name,Values=pending,running,stopping,stopped "
                     "--query 'Reservations[].Instances[].InstanceId' --output text)",
                     env().deployment, machine.name);
}

std::string Runbook::imgbuild_peers(const std::string& command) const {
  std::string line = fmt::format("./builder/imgbuild peers {} --env {} --ssh-config "
                                 "{}", command, shell_word(input_.environment_file), shell_word(input_.folder / "ssh_config"));
  for (const Machine* machine : others_) line += " --package " + shell_word(packages() / (machine->name + ".pkg"));
  if (command == "exchange" && !others_.empty()) line += " --write " + shell_word(for_others());
  return line;
}

std::string ops_runbook(const OpsInput& input) {
  Runbook book(input);
  add_machines(book);
  add_preparation(book);
  add_first_start(book);
  add_exchange(book);
  if (book.web().size() > 1 && book.has_own_web()) add_promotion(book);
  add_backups(book);
  add_restore(book);
  add_rotation(book);
  return book.text();
}

std::vector<OpsFile> ops_files(const OpsInput& input) {
  check_paths(input);
  return {{.name = "ssh_config", .content = ops_ssh_config(input)},
          {.name = "known_hosts", .content = ops_known_hosts(input)},
          {.name = "hosts", .content = ops_hosts(input)},
          {.name = "tmuxinator.yml", .content = ops_tmuxinator(input)},
          {.name = "tmux.conf", .content = ops_tmux_conf()},
          {.name = "terraform.tf.json", .content = ops_terraform(input)},
          {.name = "cloudformation.json", .content = ops_cloudformation(input)},
          {.name = "RUNBOOK.md", .content = ops_runbook(input)}};
}

}  // namespace imgbuild
