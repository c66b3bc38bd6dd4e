#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {

/// A file being written: mode 0644, complete under its name or not there at all.
class OutputFile {
 public:
  enum class Order {
    front_to_back,  ///< digested on the way: only append and append_zeros
    anywhere,       ///< read again for its digest
  };
  OutputFile(const std::filesystem::path& path, Order order);

  void append(std::string_view bytes);
  /// A hole where it can be one.
  void append_zeros(std::uint64_t size);
  /// Goes on after the next multiple of 'unit'.
  void align(std::uint64_t unit) { append_zeros((unit - size_ % unit) % unit); }
  /// Over what was appended before, or after the end: then it ends there.
  void write_at(std::uint64_t offset, std::string_view bytes);

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// From here what is appended is digested by itself too, up to end_part().
  void begin_part() { part_.emplace(); }
  /// SHA-256 of the part.
  [[nodiscard]] std::string end_part();
  /// SHA-256 of the whole file; nothing may be written after it.
  [[nodiscard]] std::string finish();
  /// Syncs it and gives it its name.
  void commit() { file_.commit(); }

 private:
  void digest(std::string_view bytes);

  io::AtomicFile file_;
  Order order_;
  std::uint64_t size_ = 0;
  std::uint64_t written_ = 0;  ///< the file's own length
  Sha256 hash_;
  std::optional<Sha256> part_;
};

}  // namespace imgbuild
