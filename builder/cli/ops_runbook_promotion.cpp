#include "cli/ops_runbook.h"

namespace imgbuild {

void add_promotion(Runbook& book) {
  const Machine& master = *book.master();
  const Machine& slave = *book.slave();
  book.add("## Promotion: {} takes the place of {}\n\nOnly if {} is off for good, or can be fenced. Nobody does it automatically.", slave.name, master.name, master.name);
  book.code({book.ssh(slave, "sudo appliance status"), book.ssh(slave, "sudo appliance promote")});
  book.add("It refuses if {} is not provably fenced, and says why. Point {} to {} ({}). The old one comes back as standby:", master.name, book.env().domain, slave.name,
           slave.public_ip.empty() ? slave.private_ip : slave.public_ip);
  book.code({book.ssh(master, "sudo appliance rejoin")});
}

}  // namespace imgbuild
