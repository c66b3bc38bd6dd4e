#include "image/output_file.h"

#include <algorithm>

#include "util/interrupt.h"

namespace imgbuild {

OutputFile::OutputFile(const std::filesystem::path& path, Order order) : file_(path, 0644), order_(order) {}

void OutputFile::digest(std::string_view bytes) {
  if (order_ == Order::front_to_back) hash_.update(bytes);
  if (part_) part_->update(bytes);
}

void OutputFile::append(std::string_view bytes) {
  digest(bytes);
  write_at(size_, bytes);
}

void OutputFile::append_zeros(std::uint64_t size) {
  static const std::string zeros(1 << 20, '\0');
  size_ += size;
  if (order_ == Order::anywhere && !part_) return;
  for (std::uint64_t left = size; left > 0; left -= std::min<std::uint64_t>(left, zeros.size())) {
    check_interrupt();
    digest(std::string_view(zeros).substr(0, left));
  }
}

void OutputFile::write_at(std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  io::write_all_at(file_.file(), bytes, offset);
  written_ = std::max(written_, offset + bytes.size());
  size_ = std::max(size_, written_);
}

std::string OutputFile::end_part() {
  std::string hex = part_->hex();
  part_.reset();
  return hex;
}

std::string OutputFile::finish() {
  if (written_ < size_) io::set_length(file_.file(), {size_});
  written_ = size_;
  return order_ == Order::front_to_back ? hash_.hex() : sha256_file(file_.temporary());
}

}  // namespace imgbuild
