#include "base/partial_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "util/digest.h"
#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace fs = std::filesystem;
namespace {

constexpr ByteSize kLongestEtag = 1_KiB;

io::File open_or_create(const fs::path& path) {
  const fs::file_status status = fs::symlink_status(path);
  if (fs::is_regular_file(status)) return io::open_for_update(path);
  if (fs::exists(status)) io::remove_tree(path);
  return io::create_exclusive(path, 0600);
}

std::uint64_t length_of(const io::File& file) {
  struct stat info = {};
  if (::fstat(file.fd(), &info) != 0)
    throw system_error(errno, fmt::format("cannot read '{}'", file.path().native()));
  return static_cast<std::uint64_t>(info.st_size);
}

}  // namespace

PartialFile::PartialFile(const fs::path& path) : file_(open_or_create(path)), size_(length_of(*file_)) {
  if (size_ > 0 && fs::is_regular_file(fs::symlink_status(etag_path())))
    etag_ = io::read_file(etag_path(), kLongestEtag);
}

fs::path PartialFile::etag_path() const { return path().native() + ".etag"; }

void PartialFile::append(std::string_view bytes) {
  io::write_all_at(*file_, bytes, size_);
  size_ += bytes.size();
}

void PartialFile::restart(const std::string& etag) {
  io::set_length(*file_, {0});
  size_ = 0;
  etag_ = etag.size() <= kLongestEtag.bytes ? etag : "";
  io::remove_tree(etag_path());
  if (!etag_.empty()) io::write_file(etag_path(), etag_, 0600);
}

std::string PartialFile::sha256() const { return sha256_of(*file_); }

io::File PartialFile::publish(const fs::path& target) && {
  if (::fchmod(file_->fd(), 0400) != 0)
    throw system_error(errno, fmt::format("cannot set the mode of '{}'", path().native()));
  io::sync(*file_);
  io::remove_tree(etag_path());
  io::rename(path(), target);
  io::sync_directory(target.parent_path());
  return std::move(*file_);
}

void PartialFile::discard() {
  io::remove_tree(etag_path());
  io::remove_tree(path());
}

std::string sha256_of(const io::File& file) {
  if (::lseek(file.fd(), 0, SEEK_SET) != 0)
    throw system_error(errno, fmt::format("cannot read '{}'", file.path().native()));
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (const std::size_t size = io::read(file, buffer.data(), buffer.size())) {
    check_interrupt();
    hash.update({buffer.data(), size});
  }
  return hash.hex();
}

}  // namespace imgbuild
