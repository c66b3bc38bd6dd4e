#include "recipe/ssh_key.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace imgbuild {
namespace {

/// What follows the type inside the base64: RFC 4253 6.6 (RSA), RFC 5656 3.1 (ECDSA), RFC 8709 4 (Ed25519),
/// OpenSSH's PROTOCOL.u2f (sk-…).
struct KeyType {
  std::string_view name;
  std::size_t parts;         ///< strings after the type
  std::size_t key_part;      ///< which of them is the key, from 0
  std::size_t least_length;  ///< of the key, bytes
  std::size_t most_length;
};

/// RSA: 2048 bits are 256 bytes, with a leading zero 257; the most is 16384 bits.
constexpr KeyType kTypes[] = {
    {"ssh-ed25519", 1, 0, 32, 32},
    {"ssh-rsa", 2, 1, 257, 2049},
    {"ecdsa-sha2-nistp256", 2, 1, 65, 65},
    {"ecdsa-sha2-nistp384", 2, 1, 97, 97},
    {"ecdsa-sha2-nistp521", 2, 1, 133, 133},
    {"sk-ssh-ed25519@openssh.com", 2, 0, 32, 32},
    {"sk-ecdsa-sha2-nistp256@openssh.com", 3, 1, 65, 65},
};

const KeyType* find_type(std::string_view name) {
  for (const KeyType& type : kTypes)
    if (type.name == name) return &type;
  return nullptr;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = i < text.size() - padding ? base64_value(text[i]) : 0;
    if (value < 0) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    if (i % 4 != 3) continue;
    for (const unsigned shift : {16U, 8U, 0U}) bytes += static_cast<char>((bits >> shift) & 0xFFU);
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

/// The strings of a key blob: 4 bytes of length in network order, then the bytes (RFC 4251, section 5).
std::optional<std::vector<std::string_view>> split_blob(std::string_view blob) {
  std::vector<std::string_view> parts;
  while (!blob.empty()) {
    if (blob.size() < 4) return std::nullopt;
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = (length << 8U) | static_cast<unsigned char>(blob[i]);
    blob.remove_prefix(4);
    if (length > blob.size()) return std::nullopt;
    parts.push_back(blob.substr(0, length));
    blob.remove_prefix(length);
  }
  return parts;
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string blob_complaint(const KeyType& type, std::string_view blob) {
  const std::optional<std::vector<std::string_view>> parts = split_blob(blob);
  if (!parts || parts->empty()) return "is cut off or damaged";
  if (parts->front() != type.name) return "says another type than the key in it";
  if (parts->size() != type.parts + 1) return "is cut off or damaged";
  const std::size_t length = (*parts)[type.key_part + 1].size();
  if (type.name == "ssh-rsa" && length < type.least_length) return "is an RSA key of less than 2048 bits";
  return length < type.least_length || length > type.most_length ? "is cut off or damaged" : "";
}

}  // namespace

std::string ssh_public_key_complaint(std::string_view line) {
  if (line.find("PRIVATE KEY") != std::string_view::npos)
    return "is a private key, put the public one here (the file that ends in .pub)";
  if (!is_printable_ascii(line)) return "must be one line of printable ASCII characters";
  const std::size_t space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  const KeyType* type = find_type(name);
  if (name == "ssh-dss") return "is a DSA key, which no server accepts";
  if (type == nullptr || space == std::string_view::npos)
    return "must be a public ssh key such as 'ssh-ed25519 AAAA… ops', without options";
  const std::string_view rest = line.substr(space + 1);
  const std::optional<std::string> blob = decode_base64(rest.substr(0, rest.find(' ')));
  return blob ? blob_complaint(*type, *blob) : "is cut off or damaged";
}

}  // namespace imgbuild
