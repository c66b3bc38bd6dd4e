#include "cli/ops_runbook.h"

namespace imgbuild {
namespace {

constexpr const char* kKey = "/srv/certs/selfsigned/key-nopass.pem";
constexpr const char* kCertificate = "/srv/certs/selfsigned/cert.pem";

std::string keep_old_pair(const Runbook& book, const Machine& machine) {
  return book.ssh(machine, "sudo cp -aT /srv/certs/selfsigned /root/selfsigned.before");
}

std::string apply(const Runbook& book, const Machine& machine) { return book.ssh(machine, "\"sudo appliance apply && sudo appliance selftest\""); }

/// What must be seen, how to go 'back', and how all is made known.
void add_end(Runbook& book, const std::vector<const Machine*>& machines, std::vector<std::string> back = {}) {
  book.add("`apply` must say `renewed the peer list` and `reloaded nginx.service`, and `selftest` no line with `FAIL`. Else go back, and ask before you go "
           "on:");
  std::vector<std::string> clean;
  for (const Machine* machine : machines) {
    back.push_back(book.ssh(*machine, "\"sudo cp -aT /root/selfsigned.before /srv/certs/selfsigned && sudo appliance apply\""));
    clean.push_back(book.ssh(*machine, "sudo rm -r /root/selfsigned.before"));
  }
  book.steps(back);
  book.add("Restart the payload, if one runs: it has read the old key. Then make the new certificate known, see [the exchange](#exchange-of-peer-packages):");
  book.code({book.imgbuild_peers("exchange"), book.imgbuild_peers("verify")});
  book.add("Once `verify` ends as it is said there, remove the old pair:");
  book.code(clean);
}

void add_own_pair(Runbook& book, const Machine& machine) {
  const std::string folder = "machines/" + machine.name;
  book.add("### TLS key of {}\n\nIn place. Until the exchange has ended no peer takes {} for itself.", machine.name, machine.name);
  std::vector<std::string> lines = book.out_of_vault(folder + "/tls.key", folder + "/tls.crt");
  lines.insert(lines.end(), {book.imgbuild("seed"), keep_old_pair(book, machine), book.send(machine, folder + "/tls.key", kKey),
                             book.send(machine, folder + "/tls.crt", kCertificate), apply(book, machine)});
  book.steps(lines);
  add_end(book, {&machine}, book.back_into_vault(folder + "/tls.key", folder + "/tls.crt"));
}

/// As the machine made its first one (appliance/certificate.py): it makes no second by itself.
void add_pair_made_there(Runbook& book, const Machine& machine) {
  book.add("### TLS key of {0}\n\nThe key was made in {0} and never leaves it; the vault has none. In place, too:", machine.name);
  const std::string request = fmt::format(
      "\"sudo openssl req -x509 -config /dev/null -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 -subj /CN={0} -addext "
      "basicConstraints=critical,CA:FALSE "
      "-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth,clientAuth -addext subjectAltName=DNS:{0},DNS:{1} "
      "-keyout /root/new-key.pem -out /root/new-cert.pem\"",
      machine.name, book.env().domain);
  const std::string install = fmt::format("\"sudo sh -c 'cat /root/new-key.pem > {} && cat /root/new-cert.pem > {} && rm /root/new-key.pem "
                                          "/root/new-cert.pem'\"", kKey, kCertificate);
  book.steps({keep_old_pair(book, machine), book.ssh(machine, request), book.ssh(machine, install), apply(book, machine)});
  add_end(book, {&machine});
}

void add_shared_pair(Runbook& book, const std::vector<const Machine*>& machines) {
  book.add("### TLS key of the web servers\n\nThey share one pair, and each trusts its own copy when it asks the others' database. So never make one of "
           "them anew with a new pair:");
  book.add("the other would not take it, and each commit would wait for it. Install the pair on all of them, then apply on all, one right after the other.");
  book.add("If one does not answer, stop here. Do not restart a machine or a database in between.");
  std::vector<std::string> lines = book.out_of_vault("shared/web/tls.key", "shared/web/tls.crt");
  lines.push_back(book.imgbuild("seed"));
  for (const Machine* machine : machines) {
    lines.insert(lines.end(), {keep_old_pair(book, *machine), book.send(*machine, "shared/web/tls.key", kKey),
                               book.send(*machine, "shared/web/tls.crt", kCertificate)});
  }
  for (const Machine* machine : machines) lines.push_back(apply(book, *machine));
  book.steps(lines);
  add_end(book, machines, book.back_into_vault("shared/web/tls.key", "shared/web/tls.crt"));
  if (machines.size() < 2) return;
  book.add("An alarm `no stream` in the minute between the two is over by itself. This must say `sync`, on each:");
  lines.clear();
  for (const Machine* machine : machines) lines.push_back(book.ssh(*machine, "sudo appliance status"));
  book.code(lines);
}

}  // namespace

void add_tls_rotation(Runbook& book) {
  for (const Machine* machine : book.ours()) {
    if (machine->keys == KeyOrigin::machine) {
      add_pair_made_there(book, *machine);
    } else if (machine->role == kAuthorityRole) {
      add_own_pair(book, *machine);
    }
  }
  const std::vector<const Machine*> machines = book.sharers();
  if (!machines.empty()) add_shared_pair(book, machines);
}

}  // namespace imgbuild
