#include "recipe/text_rules.h"

#include <algorithm>
#include <array>

#include "recipe/address.h"
#include "util/digest.h"
#include "util/size.h"
#include "util/utf8.h"

namespace imgbuild::rules {
namespace {

using Result = std::optional<std::string>;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z'); }

/// True if every character is alphanumeric in lower case or one of 'others'.
bool consists_of_lower_and(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_lower(c) || is_digit(c) || others.find(c) != std::string_view::npos;
  });
}

Result if_true(bool valid, std::string_view text) { return valid ? Result(text) : std::nullopt; }

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && consists_of_lower_and(text, "-") && text.front() != '-' &&
         text.back() != '-';
}

/// A name of digits only would be taken for an address by some programs.
bool is_host_name(std::string_view text) {
  return is_label(text) && !std::all_of(text.begin(), text.end(), is_digit);
}

Result host_name(std::string_view text) { return if_true(is_host_name(text), text); }

Result domain(std::string_view text) {
  if (text.size() > 253) return std::nullopt;
  std::string_view rest = text;
  for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
    if (!is_label(rest.substr(0, dot))) return std::nullopt;
    rest.remove_prefix(dot + 1);
  }
  return if_true(rest.size() < text.size() && is_host_name(rest), text);
}

Result word(std::string_view text) { return if_true(is_label(text) && is_lower(text.front()), text); }

Result setting_name(std::string_view text) {
  const bool valid =
      !text.empty() && text.size() <= 63 && is_lower(text.front()) && consists_of_lower_and(text, "_");
  return if_true(valid && yaml::plain_type(text) == yaml::PlainType::text, text);
}

Result ip(std::string_view text) {
  const std::optional<IpAddress> address = parse_ip(text);
  return address ? Result(format_ip(*address)) : std::nullopt;
}

Result host_ip(std::string_view text) {
  const std::optional<IpAddress> address = parse_ip(text);
  return address && is_host_address(*address) ? Result(format_ip(*address)) : std::nullopt;
}

Result cidr(std::string_view text) {
  const std::optional<Cidr> network = parse_cidr(text);
  return network ? Result(format_cidr(*network)) : std::nullopt;
}

bool is_zone_part(std::string_view part) {
  return !part.empty() && part.size() <= 30 && is_alphanumeric(part.front()) &&
         std::all_of(part.begin(), part.end(),
                     [](char c) { return is_alphanumeric(c) || c == '_' || c == '+' || c == '-'; });
}

Result timezone(std::string_view text) {
  std::string_view rest = text;
  int parts = 1;
  for (std::size_t slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/'), ++parts) {
    if (!is_zone_part(rest.substr(0, slash))) return std::nullopt;
    rest.remove_prefix(slash + 1);
  }
  return if_true(parts <= 3 && is_zone_part(rest) && !is_digit(text.front()), text);
}

Result package(std::string_view text) {
  const bool valid = text.size() >= 2 && text.size() <= 128 && consists_of_lower_and(text, "+-.") &&
                     (is_lower(text.front()) || is_digit(text.front()));
  return if_true(valid, text);
}

constexpr std::array<std::string_view, 11> kUnitTypes = {
    "service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer", "slice", "scope"};

Result unit(std::string_view text) {
  const auto allowed = [](char c) {
    return is_alphanumeric(c) || std::string_view("@_.:\\-").find(c) != std::string_view::npos;
  };
  if (text.empty() || text.size() > 255 || !is_alphanumeric(text.front()) ||
      !std::all_of(text.begin(), text.end(), allowed))
    return std::nullopt;
  const std::size_t dot = text.rfind('.');
  if (dot == std::string_view::npos) return std::string(text) + ".service";
  const bool known =
      std::find(kUnitTypes.begin(), kUnitTypes.end(), text.substr(dot + 1)) != kUnitTypes.end();
  return if_true(known, text);
}

Result sha256_digest(std::string_view text) { return if_true(is_sha256(text), text); }

Result line(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  const bool visible = std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F;
  });
  return if_true(visible && text.size() <= kLongest, text);
}

Result duration(std::string_view text) {
  const std::optional<std::chrono::milliseconds> value = parse_duration(text);
  return value ? Result(std::to_string(value->count())) : std::nullopt;
}

Result size(std::string_view text) {
  const std::optional<ByteSize> value = parse_byte_size(text);
  return value ? Result(std::to_string(value->bytes)) : std::nullopt;
}

}  // namespace

const yaml::TextRule kHostName = {
    "a host name of at most 63 lower-case letters, digits and '-', such as prod-s1", host_name};
const yaml::TextRule kDeployment = {"a name of at most 63 lower-case letters, digits and '-', such as prod",
                                    host_name};
const yaml::TextRule kDomain = {"a domain name in lower case such as vote.example.org", domain};
const yaml::TextRule kWord = {"a name of lower-case letters, digits and '-'", word};
const yaml::TextRule kSettingName = {"a name of lower-case letters, digits and '_'", setting_name};
const yaml::TextRule kIp = {"an IP address such as 192.168.50.4", ip};
const yaml::TextRule kHostIp = {"an IP address that a machine can have, such as 192.168.50.4", host_ip};
const yaml::TextRule kCidr = {"a network such as 192.168.50.0/24 without host bits, not /0", cidr};
const yaml::TextRule kTimezone = {"a time zone such as Europe/Vienna or UTC", timezone};
const yaml::TextRule kPackage = {"the name of a package", package};
const yaml::TextRule kUnit = {"a systemd unit such as nginx or apt-daily.timer", unit};
const yaml::TextRule kSha256 = {"a SHA-256 digest of 64 hexadecimal digits in lower case", sha256_digest};
const yaml::TextRule kLine = {"one line of text, at most 4096 bytes", line};
const yaml::TextRule kDuration = {"a duration such as 300 s (units: ms, s, min, h)", duration};
const yaml::TextRule kSize = {"a size such as 10 GiB (units: B, KiB, MiB, GiB, TiB)", size};

}  // namespace imgbuild::rules
