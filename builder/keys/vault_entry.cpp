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
      .set_hint(fmt::format("restore '{}' from your copy, or remove '{}' to have both made anew", missing.native(),
                            there.native()));
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

}  // namespace

std::optional<PairContent> read_pair(const FilePair& files) {
  std::optional<Secret> secret = read_private_file(files.secret);
  std::optional<Secret> counterpart = read_private_file(files.counterpart);
  if (!secret && !counterpart) return std::nullopt;
  if (!counterpart) throw half_present(files.secret, files.counterpart);
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
