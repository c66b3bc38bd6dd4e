#include "base/release_index.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace {

using Json = nlohmann::json;

constexpr ByteSize kLargestImage = 4_GiB;

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Members of the signed document, with errors that say where.
class Document {
 public:
  explicit Document(const std::string& origin) : origin_(origin) {}

  template <typename... Args>
  [[nodiscard]] Error refusal(fmt::format_string<Args...> format, Args&&... args) const {
    return Error(ExitCode::verification_failed, "{}: {}", origin_,
                 fmt::format(format, std::forward<Args>(args)...));
  }

  [[nodiscard]] Json parse(const std::string& text) const {
    Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) throw refusal("the signed index is no JSON object");
    return json;
  }

  [[nodiscard]] const Json& object(const Json& parent, const std::string& key) const {
    const auto found = parent.find(key);
    if (found == parent.end() || !found->is_object())
      throw refusal("the signed index has no object '{}'", key);
    return *found;
  }

  [[nodiscard]] std::string text(const Json& parent, const std::string& key) const {
    const auto found = parent.find(key);
    if (found == parent.end() || !found->is_string()) throw refusal("the signed index has no text '{}'", key);
    return found->get<std::string>();
  }

  void require(const Json& parent, const std::string& key, const std::string& expected) const {
    const std::string found = text(parent, key);
    if (found != expected)
      throw refusal("the signed index has {} '{}' where '{}' is expected", key, found, expected);
  }

 private:
  const std::string& origin_;
};

Release read_item(const Document& document, const Json& item, const std::string& serial_text) {
  Release release{.serial_text = serial_text,
                  .path = document.text(item, "path"),
                  .sha256 = document.text(item, "sha256")};
  const std::optional<Serial> serial = parse_serial(serial_text);
  if (!serial)
    throw document.refusal("the signed index has the serial '{}', not YYYYMMDD or YYYYMMDD.N", serial_text);
  release.serial = *serial;
  if (!is_safe_path(release.path))
    throw document.refusal("the signed index has the unsafe path '{}'", release.path);
  if (!is_sha256(release.sha256))
    throw document.refusal("the signed index has the digest '{}'", release.sha256);
  const auto size = item.find("size");
  if (size == item.end() || !size->is_number_unsigned())
    throw document.refusal("serial {} has no size", serial_text);
  release.size = {size->get<std::uint64_t>()};
  if (release.size.bytes == 0 || release.size > kLargestImage) {
    throw document.refusal("serial {} is {} long, the most is {}", serial_text,
                           format_byte_size(release.size), format_byte_size(kLargestImage));
  }
  return release;
}

bool is_released(const Json& version) {
  const auto label = version.find("label");
  return version.is_object() && label != version.end() && *label == "release";
}

}  // namespace

std::optional<Serial> parse_serial(std::string_view text) {
  if (text.size() < 8) return std::nullopt;
  const std::optional<std::uint32_t> date = parse_number(text.substr(0, 8));
  if (!date || *date < 19700101) return std::nullopt;
  if (text.size() == 8) return Serial{*date, 0};
  if (text[8] != '.' && text[8] != '-') return std::nullopt;
  const std::optional<std::uint32_t> revision = parse_number(text.substr(9));
  if (!revision) return std::nullopt;
  return Serial{*date, *revision};
}

std::vector<Release> parse_release_index(const std::string& text, const BaseSource& source,
                                         const std::string& origin) {
  const Document document(origin);
  const Json index = document.parse(text);
  document.require(index, "format", "products:1.0");
  document.require(index, "content_id", source.content_id);
  const Json& product = document.object(document.object(index, "products"), source.product);
  document.require(product, "arch", source.architecture);
  std::vector<Release> releases;
  for (const auto& [serial, version] : document.object(product, "versions").items()) {
    if (!is_released(version)) continue;
    const Json& items = document.object(version, "items");
    if (!items.contains(source.item)) continue;
    const Json& item = document.object(items, source.item);
    document.require(item, "ftype", source.item);
    releases.push_back(read_item(document, item, serial));
  }
  if (releases.empty())
    throw document.refusal("the signed index has no released '{}' of '{}'", source.item, source.product);
  std::sort(releases.begin(), releases.end(),
            [](const Release& a, const Release& b) { return a.serial < b.serial; });
  return releases;
}

std::map<std::string, std::string> parse_checksums(std::string_view text, const std::string& origin) {
  std::map<std::string, std::string> digests;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    const auto refusal = [&](std::string_view what) {
      return Error(ExitCode::verification_failed, "{}:{}: {}", origin, line_number, what);
    };
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) throw refusal("the line is cut off");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.ends_with('\r')) throw refusal("the line ends with CR LF");
    if (line.size() < 67 || !is_sha256(line.substr(0, 64)) || line[64] != ' ' ||
        (line[65] != '*' && line[65] != ' ')) {
      throw refusal("the line is no SHA-256 digest with a file name");
    }
    const std::string name(line.substr(66));
    if (!is_safe_path(name) || name.find('/') != std::string::npos)
      throw refusal(fmt::format("the file name '{}' is unsafe", name));
    if (!digests.emplace(name, line.substr(0, 64)).second)
      throw refusal(fmt::format("'{}' is listed twice", name));
  }
  return digests;
}

bool is_safe_path(std::string_view path) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~-";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == ".." ||
        part.find_first_not_of(kAllowed) != std::string_view::npos)
      return false;
    at = end + 1;
  }
  return true;
}

}  // namespace imgbuild
