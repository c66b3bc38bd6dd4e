#include "cli/ops_runbook.h"

namespace imgbuild {

void add_rotation(Runbook& book) {
  const std::string vault = vault_folder(book.env()).filename().native();
  book.add("## Rotation of keys\n\nThe vault `{}` never replaces what it made: who trusts an old key must be told of the new one. To have one made anew, take", vault);
  book.add("both its files and its lines in the vault's `index` away, and keep them until all works.\n");
  book.add("| key | files in `{}` | afterwards |\n|---|---|---|", vault);
  for (const Machine* machine : book.ours()) {
    book.add("| ssh host key of {0} | `machines/{0}/ssh_host_ed25519_key`, `.pub` | new seed, machine made anew, `imgbuild ops` |", machine->name);
    if (machine->keys == KeyOrigin::machine) {
      book.add("| TLS key of {0} | none: it is in the machine | machine made anew, exchange |", machine->name);
    } else if (machine->role == kAuthorityRole) {
      book.add("| TLS key of {0} | `machines/{0}/tls.key`, `tls.crt` | new seed, machine made anew, exchange |", machine->name);
    }
  }
  if (book.master() != nullptr && book.master()->keys == KeyOrigin::seed) {
    book.add("| TLS key of the web servers | `shared/web/tls.key`, `tls.crt` | new seeds, machines made anew, exchange |");
  }
  book.add("| who may log in | `ssh_authorized_keys` in `{}` | new seeds; on running machines edit `~ops/.ssh/authorized_keys` |", book.file());
  book.add("\nMake the seeds with `imgbuild seed --env {}`, start the machine anew with its seed, and prove the links with `imgbuild peers verify --env {}`.", book.file(),
           book.file());
  book.add("A web server is made anew as standby first, then promoted; then the other.");
}

}  // namespace imgbuild
