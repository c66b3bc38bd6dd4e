#include <fmt/ranges.h>

#include "cli/ops_runbook.h"
#include "peers/matrix.h"

namespace imgbuild {
namespace {

std::size_t links_from(const Runbook& book, const std::vector<const Machine*>& machines) {
  std::size_t count = 0;
  for (const Machine* machine : machines) count += peers_of(book.env(), *machine).size();
  return count;
}

void add_among_ourselves(Runbook& book) {
  book.code({book.imgbuild_peers("exchange"), book.imgbuild_peers("verify")});
  book.add("Every line must say `proven`, and `echo $?` afterwards `0`. A machine that `cannot be asked` is off: start it, and run both again. At `failed` "
           "stop.\n");
}

void add_with_others(Runbook& book) {
  std::vector<std::string> names;
  for (const Machine* machine : book.others()) names.push_back(machine->name);
  const std::string all = fmt::format("{}", fmt::join(names, ", "));
  const std::string packages = shell_word(book.packages());
  book.add("1. Kept by somebody else: {}. Their keepers run `sudo eopeers --show-mine > NAME.pkg` and send the file. Put them here:", all);
  book.code({"mkdir -p " + packages});
  book.add("   Leave out the `--package` of one that has not come: its links come later.\n");
  book.add("2. Install on our machines, and write what the others need:");
  book.code({book.imgbuild_peers("exchange")});
  book.add("3. Send the folder `{}` to the keepers; NAME.txt says what to do there. Read them our fingerprints by telephone, not by the way the files "
           "went.\n", book.for_others().native());
  book.add("4. Once they have installed them:");
  book.code({book.imgbuild_peers("verify")});
  const std::size_t untried = links_from(book, book.others());
  book.add("| line of `verify` | means |\n|---|---|\n| `proven` | works |");
  book.add("| `not tried: we can't log in to NAME`, from {} | expected: {} lines. Their keepers prove these with `sudo eopeers --prove` |", all, untried);
  book.add("| `failed`, to {} | expected until its keeper has installed our packages; afterwards stop |", all);
  book.add("| `failed`, to any other | stop: nobody works at the election until it is cured |");
  book.add("| `could not be asked` | the machine is off: start it, and run the command again |\n");
  book.add("So all is well if it ends with `{} of {} links could not be tried`, `echo $?` says `7`, and no line "
           "`failed`.\n", untried, untried + links_from(book, book.ours()));
}

}  // namespace

void add_exchange(Runbook& book) {
  book.add("## Exchange of peer packages\n\nOnce all machines are ready, and again after each new TLS key and each machine made anew. `exchange` shows "
           "fingerprints, and asks whether their owners");
  book.add("have read the same ones to you. Say `y` only if they have, by telephone.\n");
  book.others().empty() ? add_among_ourselves(book) : add_with_others(book);
}

}  // namespace imgbuild
