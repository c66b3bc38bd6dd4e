#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

/// Strings as C libraries give and take them.
namespace imgbuild {

/// A string that was allocated with malloc.
using Text = std::unique_ptr<char, decltype([](char* text) { std::free(text); })>;

/// A list of such strings that ends with NULL.
class TextList {
 public:
  explicit TextList(char** list) : list_(list) {}
  ~TextList() {
    for (char** text = list_; text != nullptr && *text != nullptr; ++text) std::free(*text);
    std::free(list_);
  }
  TextList(const TextList&) = delete;
  TextList& operator=(const TextList&) = delete;

  [[nodiscard]] std::vector<std::string> copy() const {
    std::vector<std::string> result;
    for (char** text = list_; *text != nullptr; ++text) result.emplace_back(*text);
    return result;
  }

 private:
  char** list_;
};

/// Pointers into 'texts', ended with NULL. They are valid as long as 'texts' does not change.
[[nodiscard]] inline std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts)
    result.push_back(const_cast<char*>(text.c_str()));  // the C interface lacks const
  result.push_back(nullptr);
  return result;
}

}  // namespace imgbuild
