#include "cli/ops_runbook.h"

namespace imgbuild {
namespace {

/// The secrets of the web recipes (recipes/parts/web.yml), which the vault makes.
struct Password {
  const char* name;
  const char* afterwards;
};
constexpr Password kPasswords[] = {
    {"ballot_box_database_password", "restart the payload that uses the database `ballot_box`"},
    {"iam_database_password", "restart the payload that uses the database `iam`"},
    {"replication_password", "`status` of the primary must say `stream    sync`"},
    {"keystore_password", "give it to the keystore KS too, on each web server: `sudo keytool -storepasswd -keystore KS` asks for the old one and the new one"},
};

}  // namespace

void add_passwords(Runbook& book) {
  std::vector<const Machine*> web;
  std::ranges::copy_if(book.ours(), std::back_inserter(web), [](const Machine* machine) { return is_web(machine->role); });
  if (web.empty()) return;
  book.add("### Passwords\n\nOf these the web servers know the same. One that stands in `settings` of `{}` is not in the vault: change it there, and with "
           "`sudoedit` in each", book.file());
  book.add("`/etc/appliance/env.yml`.\n\n| NAME | afterwards |\n|---|---|");
  for (const Password& password : kPasswords) book.add("| {} | {} |", password.name, password.afterwards);
  book.add("\n`apply` on the primary first: it gives the password to the database; then on the others at once. Until then they get no new connection.");
  const std::string name = "/${NAME:?}";
  const std::string now = book.in_vault("passwords") + name;
  const std::string old = book.in_vault("replaced/passwords") + name;
  std::vector<std::string> lines = {"NAME=", "mkdir -p " + book.in_vault("replaced/passwords"), fmt::format("mv {} {}", now, old),
                                    fmt::format("sed -i \"\\|^passwords/${{NAME:?}}$|d\" {}", book.in_vault("index")), book.imgbuild("seed")};
  // By standard input: a secret in an argument is there for all to read.
  for (const Machine* machine : web) {
    lines.push_back(fmt::format("printf 's|\"%s\"|\"%s\"|\\n' \"$(cat {})\" \"$(cat {})\" | {}", old, now,
                                book.ssh(*machine, "sudo sed -i -f - /etc/appliance/env.yml", Runbook::Input::given)));
  }
  for (const Machine* machine : web) lines.push_back(book.ssh(*machine, "sudo appliance apply"));
  book.steps(lines);
  book.add("No line of these may say `FAIL`:");
  lines.clear();
  for (const Machine* machine : web) lines.push_back(book.ssh(*machine, "sudo appliance selftest"));
  book.code(lines);
}

}  // namespace imgbuild
