#include "cli/ops_runbook.h"

namespace imgbuild {

void add_restore(Runbook& book) {
  book.add("## Restore\n\n### From a snapshot of the volume (EC2)\n");
  const Machine& machine = book.master() != nullptr ? *book.master() : book.env().machines.front();
  book.add("A snapshot is older than what peers know: of two web servers restore the standby first, and promote instead of restoring where one lives.\n");
  book.add("1. Stop {0}. In AWS Backup (vault `{1}`) or under Snapshots choose the moment, and create a volume of it in {0}'s zone, named `{0}-restored-1`.", machine.name,
           book.env().deployment);
  book.add("2. Detach {0}'s `/dev/sda1`, keep that volume, attach `{0}-restored-1` as `/dev/sda1`, start {0}.", machine.name);
  book.add("3. Look before anybody votes:");
  book.code({book.ssh(machine, "sudo appliance status"), book.ssh(machine, "sudo appliance selftest")});
  if (book.slave() != nullptr) {
    book.add("4. The standby has more than the restored primary, and must follow it anew:");
    book.code({book.ssh(*book.slave(), "sudo appliance rejoin")});
  }
  if (book.master() == nullptr) return;
  book.add("### From the database's own backups");
  book.code({book.ssh(*book.master(), "sudo appliance backup --list"), book.ssh(*book.master(), "sudo appliance restore NAME --to 2031-11-21T04:00:00Z")});
}

}  // namespace imgbuild
