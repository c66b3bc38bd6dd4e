#include "keys/vault_index.h"

#include <optional>
#include <sstream>

#include "keys/private_file.h"
#include "util/error.h"
#include "util/io.h"
#include "util/secret.h"
#include "util/problems.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr const char* kFile = "index";
constexpr const char* kHeader =
    "# What this vault was given. imgbuild never makes anew what is listed here and gone: restore it from your copy.\n";

bool is_entry(const std::string& line) {
  const bool clean = line.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == std::string::npos;
  return clean && line.front() != '/' && line.find("..") == std::string::npos && line.find('/') != std::string::npos;
}

}  // namespace

VaultIndex::VaultIndex(fs::path vault) : vault_(std::move(vault)) {
  const std::optional<Secret> content = read_private_file(vault_ / kFile);
  if (!content) return;
  std::istringstream lines(content->reveal());
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line.front() == '#') continue;
    if (!is_entry(line)) {
      throw Error(ExitCode::bad_input, "{}:{}: must be an entry of the vault such as passwords/NAME, is {}",
                  (vault_ / kFile).native(), number, shown(line))
          .set_hint("restore the file from your copy of the vault");
    }
    entries_.insert(line);
  }
}

void VaultIndex::require_unlisted(const std::string& entry) const {
  if (!holds(entry)) return;
  throw Error(ExitCode::bad_input, "{}: is gone, but this vault had it", (vault_ / entry).native())
      .set_hint(fmt::format("restore it from your copy of the vault; to have a new one made, with which nothing that was "
                            "made with the old one works, remove its line in '{}'",
                            (vault_ / kFile).native()));
}

std::set<std::string> VaultIndex::machines() const {
  constexpr std::string_view kFolder = "machines/";
  std::set<std::string> names;
  for (const std::string& entry : entries_) {
    if (entry.starts_with(kFolder)) names.insert(entry.substr(kFolder.size(), entry.find('/', kFolder.size()) - kFolder.size()));
  }
  return names;
}

void VaultIndex::add(const std::vector<std::string>& entries) {
  const std::size_t before = entries_.size();
  entries_.insert(entries.begin(), entries.end());
  if (entries_.size() == before) return;
  std::string text = kHeader;
  for (const std::string& entry : entries_) text += entry + '\n';
  io::write_file(vault_ / kFile, text, 0600);
}

}  // namespace imgbuild
