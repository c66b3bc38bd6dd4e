#include "base/signature.h"

#include <charconv>
#include <optional>
#include <vector>

#include "base/openpgp_key.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::milliseconds kGpgvTimeout{60'000};

using Words = std::vector<std::string_view>;

Words split(std::string_view text, char separator) {
  Words words;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

/// The status lines as words, without their prefix.
std::vector<Words> status_lines(std::string_view status) {
  constexpr std::string_view kPrefix = "[GNUPG:] ";
  std::vector<Words> lines;
  for (const std::string_view line : split(status, '\n')) {
    if (line.starts_with(kPrefix)) lines.push_back(split(line.substr(kPrefix.size()), ' '));
  }
  return lines;
}

std::size_t count(const std::vector<Words>& lines, std::string_view keyword) {
  std::size_t found = 0;
  for (const Words& line : lines) found += line.front() == keyword ? 1 : 0;
  return found;
}

const Words* find(const std::vector<Words>& lines, std::string_view keyword) {
  for (const Words& line : lines) {
    if (line.front() == keyword) return &line;
  }
  return nullptr;
}

template <typename... Args>
[[noreturn]] void refuse(const std::string& origin, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ExitCode::verification_failed, "{}: {}", origin,
              fmt::format(format, std::forward<Args>(args)...));
}

struct Verdict {
  std::string_view keyword;
  std::string_view meaning;
};

/// Any of these ends it, whatever else is said.
constexpr Verdict kRefusals[] = {
    {"BADSIG", "its signature is wrong: it is not what was signed"},
    {"REVKEYSIG", "it is signed by a key that has been revoked"},
    {"EXPKEYSIG", "it is signed by a key that has expired"},
    {"EXPSIG", "its signature has expired"},
};

void refuse_bad(const std::vector<Words>& lines, std::string_view pinned, const std::string& origin) {
  for (const Verdict& verdict : kRefusals) {
    if (find(lines, verdict.keyword) != nullptr) refuse(origin, "{}", verdict.meaning);
  }
  const Words* missing = find(lines, "NO_PUBKEY");
  if (missing != nullptr && missing->size() > 1) {
    refuse(origin, "it is signed by the foreign key '{}', not by '{}'", (*missing)[1], pinned);
  }
  const std::size_t signatures = count(lines, "NEWSIG");
  if (signatures == 0) refuse(origin, "it holds no signature");
  if (signatures > 1) refuse(origin, "it has {} signatures where there must be one", signatures);
  if (find(lines, "ERRSIG") != nullptr) refuse(origin, "its signature can't be checked");
}

/// Names of RFC 4880 section 9.4.
bool is_strong_hash(std::string_view algorithm) {
  constexpr std::string_view kSha256 = "8", kSha384 = "9", kSha512 = "10";
  return algorithm == kSha256 || algorithm == kSha384 || algorithm == kSha512;
}

std::chrono::sys_seconds read_time(std::string_view text, const std::string& origin) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size())
    refuse(origin, "gpgv gave the time '{}'", text);
  return std::chrono::sys_seconds(std::chrono::seconds(seconds));
}

}  // namespace

// VALIDSIG signer date time expires version reserved key-algorithm hash-algorithm class primary-key
Signature judge_status(std::string_view status, std::string_view pinned, const std::string& origin) {
  const std::vector<Words> lines = status_lines(status);
  refuse_bad(lines, pinned, origin);
  const Words* valid = find(lines, "VALIDSIG");
  if (count(lines, "GOODSIG") != 1 || count(lines, "VALIDSIG") != 1 || valid->size() < 11) {
    refuse(origin, "gpgv does not call its signature good");
  }
  const Words& field = *valid;
  if (field[10] != pinned)
    refuse(origin, "it is signed by the foreign key '{}', not by '{}'", field[10], pinned);
  if (field[1] != pinned)
    refuse(origin, "it is signed by the subkey '{}', only the primary key is pinned", field[1]);
  if (!is_strong_hash(field[8])) refuse(origin, "it is signed over a weak digest (algorithm {})", field[8]);
  if (field[9] != "00" && field[9] != "01") refuse(origin, "its signature has the class {}", field[9]);
  return {.signer = std::string(field[1]), .made = read_time(field[3], origin)};
}

SignatureVerifier::SignatureVerifier(const SigningKey& key, const fs::path& folder, CommandRunner& runner)
    : key_(key), folder_(folder), runner_(runner) {
  const std::string packets = dearmor_public_key(key.armored, key.fingerprint);
  require_strong_keys(packets, key.fingerprint);
  io::write_file(folder_ / "keyring.gpg", packets, 0600);
}

Signature SignatureVerifier::run_gpgv(std::vector<std::string> arguments, const std::string& origin) const {
  std::vector<std::string> all = {
      "--homedir", folder_.native(), "--keyring", (folder_ / "keyring.gpg").native(), "--status-fd", "1"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const CommandResult result = runner_.run({.program = "gpgv", .arguments = all, .timeout = kGpgvTimeout});
  const Signature signature = judge_status(result.out, key_.fingerprint, origin);
  if (!result.succeeded()) refuse(origin, "gpgv ended with exit status {}", result.exit_status);
  return signature;
}

SignedText SignatureVerifier::clear_signed(std::string_view document, const std::string& origin) const {
  const fs::path input = folder_ / "signed";
  const fs::path output = folder_ / "text";
  io::write_file(input, document, 0600);
  io::remove_tree(output);
  const Signature signature = run_gpgv({"--output", output.native(), input.native()}, origin);
  return {io::read_file(output), signature};
}

Signature SignatureVerifier::detached(std::string_view data, std::string_view signature,
                                      const std::string& origin) const {
  const fs::path data_file = folder_ / "data";
  const fs::path signature_file = folder_ / "signature";
  io::write_file(data_file, data, 0600);
  io::write_file(signature_file, signature, 0600);
  return run_gpgv({signature_file.native(), data_file.native()}, origin);
}

}  // namespace imgbuild
