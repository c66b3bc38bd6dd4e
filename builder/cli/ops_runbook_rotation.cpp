#include "cli/ops_runbook.h"

namespace imgbuild {

void add_rotation(Runbook& book) {
  const std::string vault = vault_folder(book.env()).filename().native();
  book.add("## Rotation of keys\n\nThe vault `{}` never replaces what it made. To have a key made anew, take its files and its line in the vault's `index` "
           "away, both:", vault);
  book.add("`seed` stops where a file is gone that the index lists. The commands below do so, and keep the old key in `{}/replaced`.\n", vault);
  book.add("- Never while an election is open: until the exchange has ended no peer knows the new key.");
  book.add("- Never terminate an authority, and never make one anew for a new key: its share of the election's key is on its disk and nowhere else.");
  book.add("- One key at a time, and to its end. Then `rm -r {}`.\n", book.in_vault("replaced"));
  add_tls_rotation(book);
  add_ssh_rotation(book);
  add_passwords(book);
  add_logins(book);
}

}  // namespace imgbuild
