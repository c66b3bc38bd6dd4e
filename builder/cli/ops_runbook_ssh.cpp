#include "cli/ops_runbook.h"

namespace imgbuild {
namespace {

constexpr const char* kView = "/etc/appliance/env.yml";

/// The key in a public line, as a variable: the old one, or the one that `seed` has made.
std::string key_of(const Runbook& book, const char* variable, const std::string& entry) {
  return fmt::format("{}=$(cut -d' ' -f2 {})", variable, book.in_vault(entry));
}

/// One web server asks another one, as user postgres.
std::string ask(const Runbook& book, const Machine& from, const Machine& to) {
  return book.ssh(from, fmt::format("sudo -u postgres ssh -o BatchMode=yes -o StrictHostKeyChecking=yes postgres@{} status", to.name));
}

std::vector<const Machine*> other_web(const Runbook& book, const Machine& machine) {
  std::vector<const Machine*> others;
  std::ranges::copy_if(book.ours(), std::back_inserter(others), [&](const Machine* other) { return other != &machine && is_web(other->role); });
  return others;
}

/// Every web server's view has the key, that of the machine itself too.
void add_known_key(const Runbook& book, const std::string& key, std::vector<std::string>& lines) {
  lines.insert(lines.end(), {key_of(book, "OLD", "replaced/" + key), key_of(book, "NEW", key)});
  for (const Machine* web : book.ours()) {
    if (is_web(web->role)) lines.push_back(book.ssh(*web, fmt::format("\"sudo sed -i 's|${{OLD:?}}|${{NEW:?}}|' {} && sudo appliance apply\"", kView)));
  }
}

void add_keepers(Runbook& book, const Machine& machine) {
  for (const Machine* other : book.others()) {
    if (is_web(other->role)) book.add("{} is kept by somebody else: its keeper must put the new public line of {} into `{}` there, and `sudo appliance "
                                      "apply`.\n", other->name, machine.name, kView);
  }
}

void add_host_key(Runbook& book, const Machine& machine) {
  const std::string folder = "machines/" + machine.name;
  const std::string key = folder + "/ssh_host_ed25519_key";
  book.add("### ssh host key of {0}\n\nIn place. Keep a connection to {0} open in another window until the new key has worked.", machine.name);
  std::vector<std::string> lines = book.out_of_vault(key, key + ".pub");
  lines.push_back(book.imgbuild("seed"));
  if (is_web(machine.role)) add_known_key(book, key + ".pub", lines);
  // In one connection: a second one may meet the new key already, which known_hosts does not have yet.
  lines.push_back(fmt::format("tar -C {} -c ssh_host_ed25519_key ssh_host_ed25519_key.pub | {}", book.in_vault(folder),
                              book.ssh(machine, "\"sudo tar -C /etc/ssh --no-same-owner -x && sudo sshd -t && sudo systemctl reload ssh.service\"",
                                       Runbook::Input::given)));
  lines.push_back(book.imgbuild_ops());
  book.steps(lines);
  book.add("Now a new connection must neither warn nor ask. Only then close the other one:");
  lines = {book.ssh(machine, "hostname")};
  for (const Machine* other : is_web(machine.role) ? other_web(book, machine) : std::vector<const Machine*>()) lines.push_back(ask(book, *other, machine));
  book.code(lines);
  if (!is_web(machine.role)) return;
  if (lines.size() > 1) book.add("A web server that asks {} must get a line with `\"primary\"`. If it does not, no promotion works: cure that "
                                 "first.\n", machine.name);
  add_keepers(book, machine);
}

void add_account_keys(Runbook& book, const Machine& machine) {
  const std::string folder = "machines/" + machine.name + "/ssh/";
  book.add("### ssh keys of the accounts of {0}\n\nBy them {0} asks the other web servers and copies the datastore. Votes are not concerned, but no "
           "promotion works until all is done.", machine.name);
  std::vector<std::string> lines;
  for (const char* user : {"postgres", "ballotbox"}) std::ranges::move(book.out_of_vault(folder + user, folder + user + ".pub"), std::back_inserter(lines));
  lines.push_back(book.imgbuild("seed"));
  for (const char* user : {"postgres", "ballotbox"}) {
    lines.push_back(book.send(machine, folder + user, std::string("/etc/appliance/ssh/") + user));
    add_known_key(book, folder + user + ".pub", lines);
  }
  book.steps(lines);
  add_keepers(book, machine);
  book.add("On {} `apply` must have said `wrote /var/lib/postgresql/.ssh/id_ed25519`. These must answer a line with `\"primary\"`, and name no "
           "problem:", machine.name);
  lines.clear();
  for (const Machine* other : other_web(book, machine)) lines.push_back(ask(book, machine, *other));
  lines.push_back(book.ssh(machine, "sudo appliance pull"));
  book.code(lines);
}

}  // namespace

void add_ssh_rotation(Runbook& book) {
  for (const Machine* machine : book.ours()) add_host_key(book, *machine);
  for (const Machine* machine : book.ours()) {
    if (is_web(machine->role) && book.web().size() > 1) add_account_keys(book, *machine);
  }
}

}  // namespace imgbuild
