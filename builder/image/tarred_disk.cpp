#include "image/tarred_disk.h"

#include <fmt/format.h>

#include "image/numbers.h"

namespace imgbuild {
namespace {

constexpr std::uint64_t kBlock = 512;
/// 1980: some programs doubt 1970.
constexpr std::uint64_t kTime = 315532800;

}  // namespace

// Numbers are octal text:
//
//   0 name   100 mode   108 owner   116 group   124 size   136 time   148 check sum   156 kind   257 "ustar" NUL "00"
//   265 owner's name   297 group's name   512
std::string tar_header(const std::string& name, std::uint64_t size) {
  std::string bytes(kBlock, '\0');
  put_text(bytes, 0, name);
  put_text(bytes, 100, "0000644");
  put_text(bytes, 108, "0000000");
  put_text(bytes, 116, "0000000");
  if (size < 1ULL << 33) {
    put_text(bytes, 124, fmt::format("{:011o}", size));
  } else {
    put_big_endian(bytes, 124, 0x80, 1);
    put_big_endian(bytes, 128, size, 8);
  }
  put_text(bytes, 136, fmt::format("{:011o}", kTime));
  put_text(bytes, 148, "        0");
  put_text(bytes, 257, std::string_view("ustar\00000", 8));
  put_text(bytes, 265, "root");
  put_text(bytes, 297, "root");
  unsigned sum = 0;
  for (const char byte : bytes) sum += static_cast<unsigned char>(byte);
  put_text(bytes, 148, fmt::format("{:06o}", sum));
  put_big_endian(bytes, 154, 0, 1);
  return bytes;
}

std::string tar_members(const std::vector<TarText>& texts) {
  std::string bytes;
  for (const TarText& member : texts) {
    bytes += tar_header(member.name, member.text.size()) + member.text;
    bytes.resize(round_up(bytes.size(), kBlock));
  }
  return bytes;
}

}  // namespace imgbuild
