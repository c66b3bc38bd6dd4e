#include "image/disk_piece.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

bool is_zero(std::string_view bytes) { return bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0; }

}  // namespace

bool Piece::is_all_zero() const {
  return std::ranges::all_of(is_zero, [](bool zero) { return zero; });
}

DiskReader::DiskReader(const fs::path& raw) : file_(io::open_for_reading(raw)), length_(fs::file_size(raw)) {}

std::optional<std::uint64_t> DiskReader::next() {
  if (at_ >= data_end_) {
    const off_t data = ::lseek(file_.fd(), static_cast<off_t>(at_), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return std::nullopt;  // only a hole is left
    const off_t hole = data < 0 ? -1 : ::lseek(file_.fd(), data, SEEK_HOLE);
    if (hole < 0) throw system_error(errno, fmt::format("cannot find the holes of '{}'", file_.path().native()));
    at_ = std::max(at_, static_cast<std::uint64_t>(data) / kPiece * kPiece);
    data_end_ = static_cast<std::uint64_t>(hole);
  }
  if (at_ >= length_) return std::nullopt;
  const std::uint64_t found = at_;
  at_ += kPiece;
  return found;
}

Piece DiskReader::read(std::uint64_t offset) const {
  Piece piece;
  piece.offset = offset;
  piece.size = std::min(kPiece, length_ - offset);
  piece.bytes.resize(kPiece);
  for (std::uint64_t done = 0; done < piece.size;) {
    const ssize_t got = ::pread(file_.fd(), piece.bytes.data() + done, piece.size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(errno, fmt::format("cannot read '{}'", file_.path().native()));
    if (got == 0) throw Error(ExitCode::step_failed, "{}: became shorter while it was read", file_.path().native());
    done += static_cast<std::uint64_t>(got);
  }
  for (std::size_t i = 0; i < kClustersInPiece; ++i) piece.is_zero[i] = is_zero(piece.cluster(i));
  return piece;
}

}  // namespace imgbuild
