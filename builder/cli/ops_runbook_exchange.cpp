#include "cli/ops_runbook.h"

namespace imgbuild {

void add_exchange(Runbook& book) {
  book.add("## Exchange of peer packages\n\nOnce all machines are ready, and again after each rotation of a TLS key:");
  book.code({fmt::format("imgbuild peers exchange --env {}", book.file()), fmt::format("imgbuild peers verify --env {}", book.file())});
  for (const Machine* machine : book.others()) {
    book.add("- {} is kept by somebody else: get its package from its trustee, compare the fingerprint by telephone, then", machine->name);
    book.code({fmt::format("imgbuild peers exchange --env {0} --package {1}.pkg --write for-{1}/", book.file(), machine->name)});
  }
}

}  // namespace imgbuild
