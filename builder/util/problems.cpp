#include "util/problems.h"

#include <algorithm>
#include <tuple>

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr std::size_t kMostShown = 50;

std::string joined_hints(const std::vector<Problem>& problems) {
  std::vector<std::string> hints;
  for (const Problem& problem : problems) {
    const bool known = std::find(hints.begin(), hints.end(), problem.hint) != hints.end();
    if (!problem.hint.empty() && !known) hints.push_back(problem.hint);
  }
  return fmt::format("{}", fmt::join(hints, "; "));
}

}  // namespace

std::vector<Problem> Problems::sorted() const {
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.file, a.at.line, a.at.column) < std::tie(b.file, b.at.line, b.at.column);
  });
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

void Problems::throw_if_any() const {
  if (problems_.empty()) return;
  std::vector<Problem> problems = sorted();
  const std::size_t all = problems.size();
  if (all > kMostShown) problems.resize(kMostShown);
  std::vector<std::string> lines;
  for (const Problem& problem : problems)
    lines.push_back(
        fmt::format("{}:{}:{}: {}", problem.file, problem.at.line, problem.at.column, problem.message));
  if (all > kMostShown) lines.push_back(fmt::format("and {} more problems", all - kMostShown));
  throw Error(ExitCode::bad_input, "{}", fmt::join(lines, "\n")).set_hint(joined_hints(problems));
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string out = "'";
  std::size_t characters = 0;
  for (const char c : text) {
    const bool continues = (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
    if (!continues && ++characters > kMost) return out + "…'";
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      out += "\\n";
    else if (byte < 0x20 || byte == 0x7F)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out + "'";
}

std::string listed(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  for (const std::string& word : words) quoted.push_back(shown(word));
  return fmt::format("{}", fmt::join(quoted, ", "));
}

}  // namespace imgbuild
