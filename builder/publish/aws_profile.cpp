#include "publish/aws_profile.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t first = std::min(text.find_first_not_of(kBlank), text.size());
  text.remove_prefix(first);
  return std::string(text.substr(0, text.find_last_not_of(kBlank) + 1));
}

fs::path file_of(const char* variable, const char* name) {
  if (const char* path = std::getenv(variable); path != nullptr && *path != '\0') return path;
  const char* home = std::getenv("HOME");
  return home == nullptr ? fs::path() : fs::path(home) / ".aws" / name;
}

/// "[profile x]" in one file is "[x]" in the other; "[default]" is the same in both. A name with blanks is in quotes.
std::string section_name(const std::string& inside) {
  const std::vector<std::string> words = split_words(inside);
  return words.size() == 2 && words[0] == "profile" ? words[1] : trimmed(inside);
}

enum class Found { no, yes };

/// Adds the settings of a section, if it is there.
Found read_section(const fs::path& file, const std::string& wanted, AwsProfile& profile) {
  if (file.empty() || !fs::exists(file)) return Found::no;
  Found found = Found::no;
  const std::string text = io::read_file(file, 1_MiB);
  std::string section;
  int number = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string raw = text.substr(at, end - at);
    at = end;
    ++number;
    const std::string line = trimmed(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      section = section_name(line.substr(1, line.size() - 2));
      if (section == wanted) found = Found::yes;
      continue;
    }
    if (raw.front() == ' ' || raw.front() == '\t') continue;  // settings in settings (s3 = …)
    const std::size_t equals = line.find('=');
    // The line itself may be a key in the wrong place: it is not shown.
    if (equals == std::string::npos) throw Error(ExitCode::bad_input, "{}:{}: is neither [section] nor name = value", file.native(), number);
    if (section == wanted) profile[trimmed(line.substr(0, equals))] = trimmed(line.substr(equals + 1));
  }
  return found;
}

fs::path config_file() { return file_of("AWS_CONFIG_FILE", "config"); }
fs::path credentials_file() { return file_of("AWS_SHARED_CREDENTIALS_FILE", "credentials"); }

std::string named_profile(const std::string& given) {
  const char* name = std::getenv("AWS_PROFILE");
  return given.empty() && name != nullptr ? name : given;
}

}  // namespace

std::string profile_name(const std::string& given) {
  const std::string named = named_profile(given);
  return named.empty() ? "default" : named;
}

AwsProfile read_profile(const std::string& given) {
  const std::string name = profile_name(given);
  AwsProfile profile;
  const Found in_config = read_section(config_file(), name, profile);
  const Found in_credentials = read_section(credentials_file(), name, profile);
  if (in_config == Found::no && in_credentials == Found::no && !named_profile(given).empty()) {
    throw Error(ExitCode::bad_input, "profile '{}': is neither in {} nor in {}", name, config_file().native(), credentials_file().native())
        .set_hint("--profile and AWS_PROFILE name a section of these files");
  }
  return profile;
}

std::vector<std::string> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::optional<std::string> word;
  char quote = 0;
  for (const char c : line) {
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
      word = word.value_or("");
    } else if (quote == 0 && (c == ' ' || c == '\t')) {
      if (word) words.push_back(*word);
      word.reset();
    } else {
      word = word.value_or("") + c;
    }
  }
  if (word) words.push_back(*word);
  return words;
}

}  // namespace imgbuild
