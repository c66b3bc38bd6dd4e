#include "image/content_id.h"

#include <fmt/format.h>

namespace imgbuild {

void add_to_content(Sha256& content, const Piece& piece) {
  if (!piece.is_all_zero()) content.update_field(fmt::format("{} {}", piece.offset, piece.digest));
}

std::string content_id(const std::string& digest, std::string_view purpose) {
  const std::string hex = sha256(fmt::format("{} {}", purpose, digest));
  std::string id;
  for (std::size_t i = 0; i < 32; i += 2) id += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  id[6] = static_cast<char>((id[6] & 0x0f) | 0x80);
  id[8] = static_cast<char>((id[8] & 0x3f) | 0x80);
  return id;
}

}  // namespace imgbuild
