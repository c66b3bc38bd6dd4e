#include "cli/ops_runbook.h"

namespace imgbuild {

void add_exchange(Runbook& book) {
  book.add("## Exchange of peer packages\n\nOnce all machines are ready, and again after each rotation of a TLS key:");
  book.code({book.imgbuild_peers("exchange"), book.imgbuild_peers("verify")});
  for (const Machine* machine : book.others()) {
    book.add("- {} is kept by somebody else: get its package from its trustee, compare the fingerprint by telephone, then", machine->name);
    book.code({fmt::format("{0} --package {1}.pkg --write for-{1}/", book.imgbuild_peers("exchange"), machine->name)});
  }
}

}  // namespace imgbuild
