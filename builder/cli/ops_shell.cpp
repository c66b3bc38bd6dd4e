#include <algorithm>

#include "cli/ops_files.h"
#include "util/error.h"
#include "util/problems.h"

namespace imgbuild {

std::string shell_word(const std::string& text) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

void check_paths(const OpsInput& input) {
  constexpr std::string_view kRefused = "\"\\$`<";  // ssh_config's quotes, variables; Markdown's code; tmuxinator's templates
  const auto is_refused = [&](char c) { return kRefused.find(c) != std::string_view::npos || static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  for (const std::filesystem::path& path : {input.checkout, input.folder, input.environment_file}) {
    for (const std::filesystem::path& part : path) {
      if (std::ranges::none_of(part.native(), is_refused)) continue;
      throw Error(ExitCode::bad_input, "ops: the files can't name a path with {} in it: must have no control character and none of "
                                       "{}", shown(part.native()), kRefused)
          .set_hint("rename it, or choose another folder with -o");
    }
  }
}

}  // namespace imgbuild
