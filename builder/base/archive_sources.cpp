#include "base/archive_sources.h"

#include <algorithm>
#include <array>
#include <map>
#include <sstream>

#include <fmt/ranges.h>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// The components a distribution signs and supports; others in an entry are left out.
constexpr std::array<std::string_view, 3> kComponents = {"main", "restricted", "universe"};

using Fields = std::map<std::string, std::string>;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// Stanzas of a deb822 file; names in lower case, continuation lines joined.
std::vector<Fields> parse_deb822(const std::string& text) {
  std::vector<Fields> stanzas(1);
  std::string field;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      if (!stanzas.back().empty()) stanzas.emplace_back();
    } else if (line.starts_with(' ') || line.starts_with('\t')) {
      if (!field.empty()) stanzas.back()[field] += " " + line;
    } else if (const std::size_t colon = line.find(':'); colon != std::string::npos) {
      field = lower(line.substr(0, colon));
      stanzas.back()[field] = line.substr(colon + 1);
    }
  }
  return stanzas;
}

/// "deb [arch=amd64 signed-by=/x] URI SUITE COMPONENT…" in the same fields.
Fields parse_one_line(const std::string& line) {
  Fields fields;
  std::string rest = line.substr(0, line.find('#'));
  if (const std::size_t open = rest.find('['); open != std::string::npos) {
    const std::size_t close = rest.find(']', open);
    if (close == std::string::npos) return {};
    for (const std::string& option : words_of(rest.substr(open + 1, close - open - 1))) {
      const std::size_t equals = option.find('=');
      if (equals != std::string::npos) fields[lower(option.substr(0, equals))] = option.substr(equals + 1);
    }
    rest.replace(open, close - open + 1, " ");
  }
  const std::vector<std::string> words = words_of(rest);
  if (words.size() < 4) return {};
  fields["types"] = words[0];
  fields["uris"] = words[1];
  fields["suites"] = words[2];
  fields["components"] = fmt::format("{}", fmt::join(words.begin() + 3, words.end(), " "));
  return fields;
}

std::string value_of(const Fields& fields, const std::string& name) {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : found->second;
}

bool is_of_distribution(const Fields& fields, const std::string& distribution) {
  const std::vector<std::string> types = words_of(value_of(fields, "types"));
  if (std::find(types.begin(), types.end(), "deb") == types.end()) return false;
  const std::vector<std::string> enabled = words_of(lower(value_of(fields, "enabled")));
  if (!enabled.empty() && enabled.front() == "no") return false;
  if (fields.contains("trusted")) return false;
  const std::vector<std::string> keyrings = words_of(value_of(fields, "signed-by"));
  const std::string prefix = fmt::format("/usr/share/keyrings/{}-archive-", distribution);
  return std::all_of(keyrings.begin(), keyrings.end(),
                     [&](const std::string& path) { return path.starts_with(prefix); });
}

void add_sources(const Fields& fields, std::vector<ArchiveSource>& sources) {
  std::vector<std::string> components = words_of(value_of(fields, "components"));
  std::erase_if(components, [](const std::string& name) {
    return std::find(kComponents.begin(), kComponents.end(), name) == kComponents.end();
  });
  const std::vector<std::string> suites = words_of(value_of(fields, "suites"));
  if (components.empty() || suites.empty()) return;
  for (const std::string& uri : words_of(value_of(fields, "uris"))) {
    sources.push_back({.uri = uri, .suites = suites, .components = components});
  }
}

std::vector<fs::path> source_files(const fs::path& root) {
  std::vector<fs::path> files;
  if (fs::exists(root / "etc/apt/sources.list")) files.push_back(root / "etc/apt/sources.list");
  std::error_code absent;
  std::vector<fs::path> parts;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "etc/apt/sources.list.d", absent)) {
    const std::string extension = entry.path().extension();
    if (extension == ".list" || extension == ".sources") parts.push_back(entry.path());
  }
  std::sort(parts.begin(), parts.end());
  files.insert(files.end(), parts.begin(), parts.end());
  return files;
}

}  // namespace

std::vector<ArchiveSource> parse_archive_sources(const std::string& text, const fs::path& name,
                                                 const std::string& distribution) {
  std::vector<Fields> entries;
  if (name.extension() == ".sources") {
    entries = parse_deb822(text);
  } else {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) entries.push_back(parse_one_line(line));
  }
  std::vector<ArchiveSource> sources;
  for (const Fields& fields : entries) {
    if (is_of_distribution(fields, distribution)) add_sources(fields, sources);
  }
  return sources;
}

std::vector<ArchiveSource> distribution_sources(const fs::path& root, const OsRelease& release) {
  const std::array<std::string, 3> suites = {release.codename, release.codename + "-updates",
                                             release.codename + "-security"};
  std::vector<ArchiveSource> sources;
  for (const fs::path& file : source_files(root)) {
    for (ArchiveSource& source : parse_archive_sources(io::read_file(file, 1_MiB), file, release.id)) {
      std::erase_if(source.suites, [&](const std::string& suite) {
        return std::find(suites.begin(), suites.end(), suite) == suites.end();
      });
      const bool is_new = std::find(sources.begin(), sources.end(), source) == sources.end();
      if (!source.suites.empty() && is_new) sources.push_back(std::move(source));
    }
  }
  if (!sources.empty()) return sources;
  throw Error(ExitCode::host_unfit, "apt sources of this host: no entry for '{}' signed by the distribution",
              release.codename)
      .set_hint("give a mirror of the distribution, or add one to /etc/apt/sources.list");
}

std::string archive_keyring(const std::string& distribution) {
  return fmt::format("/usr/share/keyrings/{}-archive-keyring.gpg", distribution);
}

std::string to_deb822(const std::vector<ArchiveSource>& sources, const std::string& distribution) {
  std::string text;
  for (const ArchiveSource& source : sources) {
    text += fmt::format("Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: {}\n\n", source.uri,
                        fmt::join(source.suites, " "), fmt::join(source.components, " "),
                        archive_keyring(distribution));
  }
  return text;
}

}  // namespace imgbuild
