#pragma once

#include <string>
#include <utility>

namespace imgbuild {

/// A value that must never be printed. It has no formatter and no stream operator, so printing one does not compile.
/// The bytes are overwritten when it goes; that alone protects nothing (copies made elsewhere stay).
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  Secret(Secret&&) = default;
  Secret& operator=(Secret&&) = default;
  ~Secret();

  /// The bytes, for the one place that must write them.
  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

/// Overwrites the bytes of 'text' and empties it.
void cleanse(std::string& text);

}  // namespace imgbuild
