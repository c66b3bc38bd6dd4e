#include "inspect/image_facts.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <set>
#include <sstream>
#include <tuple>

namespace imgbuild {
namespace {

using Texts = std::map<std::string, std::string>;

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

/// Lines without comments and indentation; empty ones left out.
std::vector<std::string> plain_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    const std::string plain = trimmed(line.substr(0, line.find('#')));
    if (!plain.empty()) lines.push_back(plain);
  }
  return lines;
}

std::vector<std::string> fields(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ':');) fields.push_back(field);
  fields.resize(std::max<std::size_t>(fields.size(), 7));
  return fields;
}

std::string text_of(const Texts& texts, const std::string& path) {
  const auto found = texts.find(path);
  return found == texts.end() ? "" : found->second;
}

std::string password_state(const std::string& hash) {
  if (hash.empty()) return "none";
  return hash.front() == '!' || hash.front() == '*' ? "locked" : "set";
}

bool can_log_in(const std::vector<std::string>& account) {
  return account[2] == "0" || (!account[6].ends_with("/nologin") && !account[6].ends_with("/false") && !account[6].ends_with("/sync"));
}

std::vector<ImageUser> users_of(const Texts& texts) {
  std::map<std::string, std::string> hashes;
  std::istringstream shadow(text_of(texts, "/etc/shadow"));
  for (std::string line; std::getline(shadow, line);) hashes[fields(line)[0]] = fields(line)[1];
  std::vector<ImageUser> users;
  std::istringstream passwd(text_of(texts, "/etc/passwd"));
  for (std::string line; std::getline(passwd, line);) {
    const std::vector<std::string> account = fields(line);
    if (can_log_in(account)) users.push_back({.name = account[0], .uid = account[2], .shell = account[6], .password = password_state(hashes[account[0]])});
  }
  return users;
}

std::map<std::string, std::string> units_of(const std::vector<TreeRecord>& files) {
  static const std::regex wanted("/etc/systemd/system/[^/]+\\.(wants|requires)/([^/]+)");
  static const std::regex own("/etc/systemd/system/([^/]+)");
  std::map<std::string, std::string> units;
  for (const TreeRecord& file : files) {
    std::smatch match;
    if (file.type != 'l') continue;
    if (std::regex_match(file.path, match, wanted)) units.emplace(match[2].str(), "enabled");
    if (std::regex_match(file.path, match, own) && file.content == "/dev/null") units[match[1].str()] = "masked";
  }
  return units;
}

/// Lines of files whose path matches, as settings: the first group of 'line' is the name, the second the value.
void add_lines(const Texts& texts, const char* path_form, const char* line_form, std::vector<ImageSetting>& settings) {
  const std::regex path_expression(path_form);
  const std::regex line_expression(line_form);
  for (const auto& [path, text] : texts) {
    if (!std::regex_match(path, path_expression)) continue;
    for (const std::string& line : plain_lines(text)) {
      std::smatch match;
      if (line.size() < 1000 && std::regex_match(line, match, line_expression)) settings.push_back({.place = path, .name = match[1].str(), .value = match[2].str()});
    }
  }
}

}  // namespace

std::vector<ManifestPackage> parse_dpkg_status(std::string_view text) {
  std::vector<ManifestPackage> packages;
  ManifestPackage package;
  bool is_installed = false;
  const auto end = [&] {
    if (is_installed) packages.push_back(package);
    package = {};
    is_installed = false;
  };
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) end();
    if (line.starts_with("Package: ")) package.name = line.substr(9);
    if (line.starts_with("Version: ")) package.version = line.substr(9);
    if (line.starts_with("Architecture: ")) package.architecture = line.substr(14);
    if (line.starts_with("Status: ")) is_installed = line.ends_with(" installed");
  }
  end();
  std::ranges::sort(packages, {}, [](const ManifestPackage& one) { return std::tie(one.name, one.version, one.architecture); });
  return packages;
}

std::vector<ImageSetting> sshd_settings(const Texts& texts) {
  std::vector<std::string> files;
  for (const auto& [path, text] : texts) {
    if (path.starts_with("/etc/ssh/sshd_config.d/") && path.ends_with(".conf")) files.push_back(path);
  }
  files.emplace_back("/etc/ssh/sshd_config");
  std::vector<ImageSetting> settings;
  std::set<std::string> seen;
  for (const std::string& file : files) {
    for (const std::string& line : plain_lines(text_of(texts, file))) {
      const std::size_t space = line.find_first_of(" \t=");
      std::string name = line.substr(0, space);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (name == "match") break;
      if (name == "include" || space == std::string::npos) continue;
      const bool may_repeat = name == "port" || name == "listenaddress" || name == "hostkey" || name == "acceptenv" || name == "subsystem";
      if (may_repeat || seen.insert(name).second) settings.push_back({.place = "sshd", .name = line.substr(0, space), .value = trimmed(line.substr(space + 1))});
    }
  }
  return settings;
}

ImageFacts facts_of(const ImageContent& content) {
  ImageFacts facts{.packages = parse_dpkg_status(text_of(content.texts, kDpkgStatus)),
                   .units = units_of(content.files),
                   .users = users_of(content.texts),
                   .settings = sshd_settings(content.texts)};
  add_lines(content.texts, "/etc/nginx/(nginx\\.conf|conf\\.d/.*|sites-(available|enabled)/.*)", "(listen|ssl_protocols)\\s+([^;]*);.*", facts.settings);
  add_lines(content.texts, "/etc/postgresql/.*\\.conf", "(listen_addresses|port|ssl)\\s*=\\s*(.*)", facts.settings);
  add_lines(content.texts, "/etc/memcached\\.conf", "(-[lpUs])\\s*(.*)", facts.settings);
  add_lines(content.texts, "/etc/nftables(\\.conf|\\.d/.*)", "(type|.*dport|.*policy)\\s+(.*)", facts.settings);
  add_lines(content.texts, "/etc/sysctl(\\.conf|\\.d/.*\\.conf)", "([a-z0-9_./-]+)\\s*=\\s*(.*)", facts.settings);
  return facts;
}

}  // namespace imgbuild
