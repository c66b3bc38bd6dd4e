#include "util/apt_sources.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

using Stanza = std::map<std::string, std::string>;

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

void add_stanza(const Stanza& stanza, std::vector<AptSource>& sources) {
  const auto field = [&stanza](const char* name) {
    const auto found = stanza.find(name);
    return found == stanza.end() ? std::vector<std::string>{} : words(found->second);
  };
  const std::vector<std::string> types = field("types");
  const std::vector<std::string> enabled = field("enabled");
  if (std::find(types.begin(), types.end(), "deb") == types.end()) return;
  if (!enabled.empty() && lower(enabled.front()) == "no") return;
  for (const std::string& uri : field("uris")) {
    for (const std::string& suite : field("suites")) sources.push_back({uri, suite});
  }
}

std::vector<AptSource> read_file(const fs::path& file) {
  try {
    const std::string text = io::read_file(file, 1_MiB);
    return file.extension() == ".sources" ? read_apt_deb822(text) : read_apt_list(text);
  } catch (const Error&) {
    return {};  // not ours to read; apt says it better
  }
}

}  // namespace

std::vector<AptSource> read_apt_list(const std::string& text) {
  std::vector<AptSource> sources;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line.erase(std::min(line.find('#'), line.size()));
    if (const std::size_t open = line.find('['); open != std::string::npos) {
      const std::size_t close = line.find(']', open);
      if (close == std::string::npos) continue;
      line.erase(open, close + 1 - open);  // options
    }
    const std::vector<std::string> parts = words(line);
    if (parts.size() >= 3 && parts[0] == "deb") sources.push_back({parts[1], parts[2]});
  }
  return sources;
}

std::vector<AptSource> read_apt_deb822(const std::string& text) {
  std::vector<AptSource> sources;
  Stanza stanza;
  std::string name;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    if (words(line).empty()) {
      add_stanza(stanza, sources);
      stanza.clear();
    } else if (line.starts_with(' ') || line.starts_with('\t')) {
      stanza[name] += line;
    } else if (const std::size_t colon = line.find(':'); colon != std::string::npos) {
      name = lower(line.substr(0, colon));
      stanza[name] = line.substr(colon + 1);
    }
  }
  add_stanza(stanza, sources);
  return sources;
}

std::vector<AptSource> host_apt_sources() {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/etc/apt/sources.list.d", error)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".list" || extension == ".sources") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  files.insert(files.begin(), "/etc/apt/sources.list");
  std::vector<AptSource> sources;
  for (const fs::path& file : files) {
    for (AptSource& source : read_file(file)) sources.push_back(std::move(source));
  }
  return sources;
}

}  // namespace imgbuild
