#include "peers/fingerprint.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/problems.h"
#include "util/suggest.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kGroup = 4;
constexpr std::size_t kLine = 32;  // digits

/// A line of the file, and where it is.
struct Line {
  std::string where;
  std::string text;
};

std::pair<std::string, std::string> read_line(const Line& line, const Environment& environment) {
  const std::size_t end = line.text.find_first_of(" \t");
  if (end == std::string::npos) {
    throw Error(ExitCode::bad_input, "{}: must be 'NAME FINGERPRINT', is {}", line.where, shown(line.text));
  }
  const std::string name = line.text.substr(0, end);
  if (find_machine(environment, name) == nullptr) {
    std::vector<std::string> names;
    for (const Machine& machine : environment.machines) names.push_back(machine.name);
    throw Error(ExitCode::bad_input, "{}: there is no machine {} in '{}'{}", line.where, shown(name),
                environment.file.native(), did_you_mean(name, names));
  }
  if (const std::optional<std::string> fingerprint = parse_fingerprint(line.text.substr(end))) return {name, *fingerprint};
  throw Error(ExitCode::bad_input, "{}: the fingerprint of '{}' must be 64 hexadecimal digits, is {}", line.where, name,
              shown(line.text.substr(end + 1)));
}

}  // namespace

std::vector<std::string> grouped_fingerprint(const std::string& fingerprint) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < fingerprint.size(); at += kGroup) {
    if (at % kLine == 0) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    for (const char c : fingerprint.substr(at, kGroup)) {
      lines.back() += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  return lines;
}

std::optional<std::string> parse_fingerprint(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == ':' || c == '\t') continue;
    digits += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return is_sha256(digits) ? std::optional(digits) : std::nullopt;
}

std::map<std::string, std::string> read_fingerprints(const fs::path& file, const Environment& environment) {
  std::istringstream lines(io::read_file(file, 1_MiB));
  std::map<std::string, std::string> found;
  int number = 0;
  for (std::string text; std::getline(lines, text);) {
    const Line line = {.where = fmt::format("{}:{}", file.native(), ++number), .text = text.substr(0, text.find('\r'))};
    if (line.text.empty() || line.text.front() == '#') continue;
    const auto [name, fingerprint] = read_line(line, environment);
    if (!found.emplace(name, fingerprint).second) {
      throw Error(ExitCode::bad_input, "{}: '{}' is there twice", line.where, name);
    }
  }
  return found;
}

}  // namespace imgbuild
