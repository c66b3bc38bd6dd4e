#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace imgbuild {

/// A place in a text, both counted from 1; a column is a character, not a byte.
struct Position {
  int line = 1;
  int column = 1;
  bool operator==(const Position&) const = default;
};

/// Something wrong in a file that somebody wrote.
struct Problem {
  std::string file;
  Position at;
  std::string message;  ///< lower case, no full stop, never a secret
  std::string hint;     ///< the cure; may be empty
  bool operator==(const Problem&) const = default;
};

/// All that is wrong with the input, so that it can be said at once.
class Problems {
 public:
  void add(Problem problem) { problems_.push_back(std::move(problem)); }

  [[nodiscard]] bool empty() const { return problems_.empty(); }
  [[nodiscard]] std::size_t size() const { return problems_.size(); }
  /// Sorted by file, line and column; without repetitions.
  [[nodiscard]] std::vector<Problem> sorted() const;
  /// Throws Error (bad input) with one line `file:line:column: message` a problem, at most 50 of them, if
  /// there are any.
  void throw_if_any() const;

 private:
  std::vector<Problem> problems_;
};

/// The problems of one file.
class FileProblems {
 public:
  FileProblems(std::string file, Problems& problems) : file_(std::move(file)), problems_(&problems) {}

  void add(Position at, std::string message, std::string hint = {}) {
    problems_->add({.file = file_, .at = at, .message = std::move(message), .hint = std::move(hint)});
  }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] Problems& all() { return *problems_; }

 private:
  std::string file_;
  Problems* problems_;
};

/// 'text' in single quotes, fit for one line of a terminal: at most 60 characters, control characters
/// escaped. Never for a secret.
[[nodiscard]] std::string shown(std::string_view text);

/// "'a', 'b', 'c'".
[[nodiscard]] std::string listed(const std::vector<std::string>& words);

}  // namespace imgbuild
