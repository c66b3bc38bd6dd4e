#pragma once

#include <locale.h>
#include <sys/stat.h>

#include <string_view>

/// What reading and writing trees as archives share.
namespace imgbuild {

/// libarchive converts names to the thread's locale; under this one they stay as they are.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(::uselocale(locale_)) {}
  ~Utf8Locale() {
    ::uselocale(before_);
    if (locale_ != nullptr) ::freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_;
  locale_t before_;
};

/// Devices, FIFOs and sockets.
[[nodiscard]] inline bool is_special(mode_t mode) { return !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode); }

/// True for special files of a running machine, which makes its own.
[[nodiscard]] inline bool may_be_left_out(std::string_view path) {
  return path.starts_with("dev/") || path.starts_with("run/");
}

}  // namespace imgbuild
