#include "util/read_at.h"

#include <unistd.h>

#include <cerrno>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild::io {

std::string read_at(const File& file, std::size_t size, std::uint64_t offset) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    check_interrupt();
    const ssize_t got = ::pread(file.fd(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, fmt::format("cannot read '{}'", file.path().native()));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace imgbuild::io
