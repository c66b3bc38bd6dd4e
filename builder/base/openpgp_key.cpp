#include "base/openpgp_key.h"

#include <cstdint>
#include <optional>

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr std::string_view kBegin = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
constexpr std::string_view kEnd = "\n-----END PGP PUBLIC KEY BLOCK-----";
constexpr unsigned kLeastRsaBits = 2048;

Error damaged(std::string_view origin) {
  return Error(ExitCode::verification_failed, "{}: the signing key is no readable OpenPGP public key",
               origin);
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned held = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    if (c == '\n') continue;
    const int value = base64_value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<char>((bits >> held) & 0xff));
  }
  return bytes;
}

/// Reads big-endian numbers off the front; nothing when too little is left.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  std::optional<std::uint32_t> number(std::size_t size) {
    if (bytes_.size() < size) return std::nullopt;
    std::uint32_t value = 0;
    for (const char byte : bytes_.substr(0, size)) value = (value << 8) | static_cast<unsigned char>(byte);
    bytes_.remove_prefix(size);
    return value;
  }
  std::optional<std::string_view> take(std::size_t size) {
    if (bytes_.size() < size) return std::nullopt;
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view bytes_;
};

struct Packet {
  unsigned tag;
  std::string_view body;
};

/// Length of a packet with a new-format header; partial lengths never occur in keys.
std::optional<std::uint32_t> new_format_length(Reader& reader) {
  const std::optional<std::uint32_t> first = reader.number(1);
  if (!first || (*first >= 224 && *first < 255)) return std::nullopt;
  if (*first < 192) return first;
  if (*first == 255) return reader.number(4);
  const std::optional<std::uint32_t> second = reader.number(1);
  if (!second) return std::nullopt;
  return ((*first - 192) << 8) + *second + 192;
}

std::optional<Packet> next_packet(Reader& reader) {
  const std::optional<std::uint32_t> head = reader.number(1);
  if (!head || (*head & 0x80) == 0) return std::nullopt;
  const bool is_new = (*head & 0x40) != 0;
  const unsigned length_type = *head & 3;
  if (!is_new && length_type == 3) return std::nullopt;
  const std::optional<std::uint32_t> length =
      is_new ? new_format_length(reader) : reader.number(std::size_t{1} << length_type);
  if (!length) return std::nullopt;
  const std::optional<std::string_view> body = reader.take(*length);
  if (!body) return std::nullopt;
  return Packet{is_new ? *head & 0x3f : (*head >> 2) & 0xf, *body};
}

// A version 4 key packet: | 4 | created (4) | algorithm (1) | RSA: bits of the modulus (2) | modulus … |
void require_strong(const Packet& packet, std::string_view origin) {
  Reader reader(packet.body);
  const std::optional<std::uint32_t> version = reader.number(1);
  const std::optional<std::uint32_t> created = reader.number(4);
  const std::optional<std::uint32_t> algorithm = reader.number(1);
  const std::optional<std::uint32_t> bits = reader.number(2);
  if (!version || !created || !algorithm || !bits || *version != 4) throw damaged(origin);
  constexpr std::uint32_t kRsa = 1, kEcdh = 18, kEcdsa = 19, kEddsa = 22;
  if (*algorithm == kEcdh || *algorithm == kEcdsa || *algorithm == kEddsa) return;
  if (*algorithm != kRsa) {
    throw Error(ExitCode::verification_failed, "{}: the signing key has the weak algorithm {}", origin,
                *algorithm);
  }
  if (*bits < kLeastRsaBits) {
    throw Error(ExitCode::verification_failed,
                "{}: the signing key is too weak: RSA with {} bits, the least is {}", origin, *bits,
                kLeastRsaBits);
  }
}

}  // namespace

std::string dearmor_public_key(std::string_view text, std::string_view origin) {
  const std::size_t begin = text.find(kBegin);
  const std::size_t end = text.find(kEnd, begin == std::string_view::npos ? 0 : begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) throw damaged(origin);
  const std::size_t headers_end = text.find("\n\n", begin + kBegin.size() - 1);
  if (headers_end == std::string_view::npos || headers_end + 2 > end) throw damaged(origin);
  std::string_view body = text.substr(headers_end + 2, end - headers_end - 2);
  const std::size_t checksum =
      body.rfind("\n=");  // CRC-24: guards against accidents only, the fingerprint does more
  if (checksum != std::string_view::npos) body = body.substr(0, checksum);
  std::optional<std::string> bytes = from_base64(body);
  if (!bytes || bytes->empty()) throw damaged(origin);
  return *bytes;
}

void require_strong_keys(std::string_view packets, std::string_view origin) {
  constexpr unsigned kPublicKey = 6, kPublicSubkey = 14;
  Reader reader(packets);
  bool found = false;
  while (!reader.empty()) {
    const std::optional<Packet> packet = next_packet(reader);
    if (!packet) throw damaged(origin);
    if (packet->tag != kPublicKey && packet->tag != kPublicSubkey) continue;
    require_strong(*packet, origin);
    found = true;
  }
  if (!found) throw damaged(origin);
}

}  // namespace imgbuild
