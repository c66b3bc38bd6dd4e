#include "util/zstd.h"

#include <zstd.h>

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr int kLevel = 6;

}  // namespace

std::string compress_zstd(std::string_view bytes) {
  std::string frame(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size = ZSTD_compress(frame.data(), frame.size(), bytes.data(), bytes.size(), kLevel);
  if (ZSTD_isError(size) != 0) throw Error(ExitCode::step_failed, "cannot compress: {}", ZSTD_getErrorName(size));
  frame.resize(size);
  return frame;
}

std::string decompress_zstd(std::string_view frame, const std::string& origin, ByteSize limit) {
  const unsigned long long length = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (length == ZSTD_CONTENTSIZE_ERROR || length == ZSTD_CONTENTSIZE_UNKNOWN) {
    throw Error(ExitCode::bad_input, "{}: is no zstd frame of a known length", origin);
  }
  if (length > limit.bytes) throw Error(ExitCode::bad_input, "{}: holds more than {}", origin, format_byte_size(limit));
  std::string bytes(length, '\0');
  const std::size_t size = ZSTD_decompress(bytes.data(), bytes.size(), frame.data(), frame.size());
  if (ZSTD_isError(size) != 0 || size != length) throw Error(ExitCode::bad_input, "{}: is a damaged zstd frame", origin);
  return bytes;
}

}  // namespace imgbuild
