#include "keys/vault_entry.h"

#include <algorithm>

#include "keys/private_file.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

Error half_present(const fs::path& there, const fs::path& missing) {
  return Error(ExitCode::bad_input, "{}: is there, but '{}', which belongs to it, is not", there.native(),
               missing.filename().native())
      .set_hint(fmt::format("restore '{}' from your copy, or remove '{}' and its line in the vault's 'index' to have both "
                            "made anew",
                            missing.native(), there.native()));
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

constexpr std::size_t kSuffix = 9;  // of a temporary: ".0123abcd"

/// The file a temporary was to become.
fs::path target_of(const fs::path& leftover) {
  const std::string name = leftover.filename();
  return leftover.parent_path() / name.substr(1, name.size() - kSuffix - 1);
}

fs::path counterpart_of(const fs::path& secret) {
  return secret.extension() == ".key" ? fs::path(secret).replace_extension(".crt") : fs::path(secret.native() + ".pub");
}

/// A run was killed between the two renames of write_pair.
bool was_interrupted(const FilePair& files) {
  if (fs::exists(fs::symlink_status(files.secret))) return false;
  for (const auto& entry : fs::directory_iterator(files.secret.parent_path())) {
    if (is_leftover(entry.path()) && target_of(entry.path()) == files.secret) return true;
  }
  return false;
}

}  // namespace

bool is_leftover(const fs::path& file) {
  const std::string name = file.filename();
  return name.size() > kSuffix + 1 && name.front() == '.' && name[name.size() - kSuffix] == '.' &&
         name.find_first_not_of("0123456789abcdef", name.size() - kSuffix + 1) == std::string::npos;
}

void remove_leftover(const fs::path& file) {
  const fs::path secret = target_of(file);
  const fs::path counterpart = counterpart_of(secret);
  if (!fs::exists(fs::symlink_status(secret)) && fs::exists(fs::symlink_status(counterpart))) io::remove_file(counterpart);
  io::remove_file(file);
}

std::optional<PairContent> read_pair(const FilePair& files) {
  std::optional<Secret> secret = read_private_file(files.secret);
  std::optional<Secret> counterpart = read_private_file(files.counterpart);
  if (!secret && !counterpart) return std::nullopt;
  if (!counterpart) throw half_present(files.secret, files.counterpart);
  if (!secret && was_interrupted(files)) return std::nullopt;
  if (!secret) throw half_present(files.counterpart, files.secret);
  return PairContent{.secret = std::move(*secret), .counterpart = counterpart->reveal()};
}

void write_pair(const FilePair& files, const PairContent& content) {
  io::AtomicFile secret(files.secret, 0600);
  io::AtomicFile counterpart(files.counterpart, 0600);
  secret.write(content.secret.reveal());
  counterpart.write(content.counterpart);
  try {
    counterpart.commit();
    secret.commit();
  } catch (...) {
    // Both are ours, made just now under the vault's lock: nobody has used them. A commit can fail after its rename.
    for (const fs::path& file : {files.counterpart, files.secret}) {
      if (fs::exists(file)) io::remove_file(file);
    }
    throw;
  }
}

void check_entry_name(const std::string& name, const char* what) {
  const bool fits = !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), is_name_character);
  if (!fits || name.front() == '.' || name.front() == '-' || name.front() == '_') {
    throw Error(ExitCode::bad_input, "'{}' cannot be a {} in the vault", name, what);
  }
}

}  // namespace imgbuild
