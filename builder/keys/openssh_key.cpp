#include "keys/openssh_key.h"

#include <openssl/rand.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "keys/openssl_handle.h"
#include "util/digest.h"
#include "util/error.h"

// The private file (OpenSSH's PROTOCOL.key; strings are a 32-bit big-endian length and bytes, as RFC 4251 section 5):
//
//   -----BEGIN OPENSSH PRIVATE KEY-----
//   base64, 70 columns, of
//     "openssh-key-v1" NUL
//     string "none"  cipher          string "none"  key derivation     string ""  its options
//     uint32 1       number of keys
//     string         public blob:    string "ssh-ed25519", string PUBLIC (32 bytes)
//     string         private blob:   uint32 CHECK, uint32 CHECK,
//                                    string "ssh-ed25519", string PUBLIC, string SEED PUBLIC (64 bytes),
//                                    string COMMENT, bytes 1 2 3 … up to a multiple of 8
//   -----END OPENSSH PRIVATE KEY-----

namespace imgbuild {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "openssh-key-v1\0"sv;
constexpr std::string_view kType = "ssh-ed25519";
constexpr std::string_view kBegin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
constexpr std::string_view kEnd = "-----END OPENSSH PRIVATE KEY-----\n";
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kColumns = 70;
constexpr std::size_t kBlock = 8;  // of cipher "none"

void put_number(std::string& out, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((number >> shift) & 0xff);
}

void put_string(std::string& out, std::string_view bytes) {
  put_number(out, static_cast<std::uint32_t>(bytes.size()));
  out += bytes;
}

/// Takes the parts of a blob in order; nothing once one is cut short.
class BlobReader {
 public:
  explicit BlobReader(std::string_view bytes) : rest_(bytes) {}

  std::optional<std::string_view> take(std::size_t size) {
    if (rest_.size() < size) return std::nullopt;
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::optional<std::uint32_t> number() {
    const std::optional<std::string_view> bytes = take(4);
    if (!bytes) return std::nullopt;
    std::uint32_t number = 0;
    for (const char byte : *bytes) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
  }
  std::optional<std::string_view> string() {
    const std::optional<std::uint32_t> size = number();
    return size ? take(*size) : std::nullopt;
  }
  bool expect(std::string_view wanted) { return take(wanted.size()) == wanted; }
  bool expect_string(std::string_view wanted) { return string() == wanted; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

struct RawKey {
  std::string seed;  ///< secret, 32 bytes
  std::string pub;   ///< 32 bytes
};

std::string public_half(const EVP_PKEY* key) {
  std::string pub(kKeySize, '\0');
  std::size_t size = kKeySize;
  openssl::require(EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(pub.data()), &size) == 1 &&
                       size == kKeySize,
                   "read an ssh key");
  return pub;
}

RawKey generate() {
  const openssl::Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  openssl::require(key != nullptr, "make an ssh key");
  RawKey raw{.seed = std::string(kKeySize, '\0'), .pub = public_half(key.get())};
  std::size_t size = kKeySize;
  openssl::require(EVP_PKEY_get_raw_private_key(key.get(), reinterpret_cast<unsigned char*>(raw.seed.data()), &size) == 1 &&
                       size == kKeySize,
                   "read an ssh key");
  return raw;
}

std::string public_blob(std::string_view pub) {
  std::string blob;
  put_string(blob, kType);
  put_string(blob, pub);
  return blob;
}

Secret private_blob(const RawKey& raw, const std::string& comment) {
  std::array<unsigned char, 4> check{};
  openssl::require(RAND_bytes(check.data(), static_cast<int>(check.size())) == 1, "get random bytes");
  std::string blob;
  blob.reserve(512);
  for (int i = 0; i < 2; ++i) blob.append(check.begin(), check.end());
  put_string(blob, kType);
  put_string(blob, raw.pub);
  put_number(blob, 2 * kKeySize);
  blob += raw.seed;
  blob += raw.pub;
  put_string(blob, comment);
  for (char pad = 1; blob.size() % kBlock != 0; ++pad) blob += pad;
  return Secret(std::move(blob));
}

Secret armoured(const Secret& bytes) {
  std::string base64 = to_base64(bytes.reveal());
  std::string text(kBegin);
  text.reserve(base64.size() + base64.size() / kColumns + kBegin.size() + kEnd.size() + 1);
  for (std::size_t at = 0; at < base64.size(); at += kColumns) {
    text.append(base64, at, kColumns);
    text += '\n';
  }
  text += kEnd;
  cleanse(base64);
  return Secret(std::move(text));
}

std::optional<Secret> decoded(std::string base64) {
  std::erase(base64, '\n');
  if (base64.empty() || base64.size() % 4 != 0) return std::nullopt;
  std::string bytes(base64.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(base64.data()), static_cast<int>(base64.size()));
  const std::size_t padding = base64.ends_with("==") ? 2 : base64.ends_with("=") ? 1 : 0;
  cleanse(base64);
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return Secret(std::move(bytes));
}

std::optional<Secret> dearmoured(const std::string& text) {
  if (!text.starts_with(kBegin) || !text.ends_with(kEnd) || text.size() < kBegin.size() + kEnd.size()) return std::nullopt;
  return decoded(text.substr(kBegin.size(), text.size() - kBegin.size() - kEnd.size()));
}

bool is_padding(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (static_cast<std::size_t>(bytes[i]) != i + 1) return false;
  }
  return bytes.size() < kBlock;
}

/// True if the 32 bytes of 'pub' are the public half of the seed.
bool belong_together(std::string_view seed, std::string_view pub) {
  const openssl::Key key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(seed.data()), seed.size()));
  openssl::require(key != nullptr, "read an ssh key");
  return public_half(key.get()) == pub;
}

std::string public_line(std::string_view pub, std::string_view comment) {
  const std::string line = fmt::format("{} {}", kType, to_base64(public_blob(pub)));
  return comment.empty() ? line : fmt::format("{} {}", line, comment);
}

/// The public line of a private blob, or nothing if it is not what the drawing above says.
std::optional<std::string> read_private_blob(std::string_view blob, std::string_view public_part) {
  BlobReader in(blob);
  const std::optional<std::uint32_t> check = in.number();
  if (!check || in.number() != check || !in.expect_string(kType)) return std::nullopt;
  const std::optional<std::string_view> pub = in.string();
  const std::optional<std::string_view> both = in.string();
  const std::optional<std::string_view> comment = in.string();
  if (!comment || !is_padding(in.rest()) || pub->size() != kKeySize || both->size() != 2 * kKeySize) return std::nullopt;
  if (both->substr(kKeySize) != *pub || public_part != public_blob(*pub)) return std::nullopt;
  if (!belong_together(both->substr(0, kKeySize), *pub)) return std::nullopt;
  return public_line(*pub, *comment);
}

}  // namespace

SshKeyPair make_ssh_key(const std::string& comment) {
  if (comment.find_first_of("\r\n") != std::string::npos) {
    throw Error(ExitCode::bad_input, "the comment of an ssh key must be one line");
  }
  RawKey raw = generate();
  std::string bytes(kMagic);
  bytes.reserve(1024);
  put_string(bytes, "none");
  put_string(bytes, "none");
  put_string(bytes, "");
  put_number(bytes, 1);
  put_string(bytes, public_blob(raw.pub));
  put_string(bytes, private_blob(raw, comment).reveal());
  cleanse(raw.seed);
  return {.private_key = armoured(Secret(std::move(bytes))), .public_key = public_line(raw.pub, comment)};
}

std::string public_line_of(const Secret& private_key, const std::string& origin) {
  const std::optional<Secret> bytes = dearmoured(private_key.reveal());
  BlobReader in(bytes ? std::string_view(bytes->reveal()) : std::string_view{});
  if (!in.expect(kMagic)) throw Error(ExitCode::bad_input, "{}: is no OpenSSH private key", origin);
  if (!in.expect_string("none") || !in.expect_string("none") || !in.expect_string("")) {
    throw Error(ExitCode::bad_input, "{}: the private key is encrypted", origin)
        .set_hint("remove its pass phrase: ssh-keygen -p -N '' -f FILE");
  }
  std::optional<std::string> line;
  if (in.number() == 1U) {
    const std::optional<std::string_view> public_part = in.string();
    const std::optional<std::string_view> blob = in.string();
    if (blob && in.rest().empty()) line = read_private_blob(*blob, *public_part);
  }
  if (!line) throw Error(ExitCode::bad_input, "{}: is no whole and consistent Ed25519 key", origin);
  return *line;
}

}  // namespace imgbuild
