#include "cli/ops_runbook.h"
#include "seed/view.h"

namespace imgbuild {

void add_logins(Runbook& book) {
  book.add("### Who may log in\n\nsshd reads `/etc/ssh/authorized_keys.d/{0}` and nothing else; `~{0}/.ssh/authorized_keys` counts for nothing. `appliance "
           "apply` writes", kOpsUser);
  book.add("that file from `users:` in `/etc/appliance/env.yml`. Keep one connection open until all is done.\n");
  book.add("1. Change `ssh_authorized_keys` in `{}`: from there machines that are made later have it.", book.file());
  book.add("2. Somebody goes. KEY is the second word of the line in `{}`, `AAAA` and so on:", book.file());
  std::vector<std::string> going = {"KEY="};
  std::vector<std::string> shown;
  std::vector<std::string> coming = {"LINE=''"};
  for (const Machine* machine : book.ours()) {
    going.push_back(book.ssh(*machine, "\"sudo sed -i '\\|${KEY:?}|d' /etc/appliance/env.yml && sudo appliance apply\""));
    coming.push_back(R"(printf '/^    ssh_authorized_keys:/a\\      - "%s"\n' "${LINE:?}" | )" +
                     book.ssh(*machine, "\"sudo sed -i -f - /etc/appliance/env.yml && sudo appliance apply\"", Runbook::Input::given));
    shown.push_back(book.ssh(*machine, fmt::format("sudo cat /etc/ssh/authorized_keys.d/{}", kOpsUser)));
  }
  book.steps(going);
  book.add("3. Somebody comes. LINE is the whole line:");
  book.steps(coming);
  book.add("`appliance apply` must say `wrote /etc/ssh/authorized_keys.d/{}`. If it says that `env.yml` is wrong, nothing was changed: cure the file, apply "
           "again.\n", kOpsUser);
  book.add("4. Look. The lists must hold the keys of `{}` and no others:", book.file());
  book.code(shown);
  book.add("5. Who is logged in stays so. On each machine `loginctl list-sessions`, and for theirs `sudo loginctl terminate-session ID`.\n");
}

}  // namespace imgbuild
