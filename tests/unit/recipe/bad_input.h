#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "unit/recipe/project_fixture.h"

namespace imgbuild::test {

/// A defect put into a good file, and all that is said about it.
struct BadInput {
  const char* name;
  const char* from;
  const char* to;
  const char* message;
};

/// 'good' with the first 'from' replaced. Throws if it is not there, lest a case test nothing.
[[nodiscard]] inline std::string with_defect(const std::string& good, const BadInput& defect) {
  const std::size_t at = good.find(defect.from);
  if (at == std::string::npos) throw std::logic_error(std::string("not in the good file: ") + defect.from);
  return std::string(good).replace(at, std::string(defect.from).size(), defect.to);
}

[[nodiscard]] inline std::string name_of(const testing::TestParamInfo<BadInput>& info) {
  return info.param.name;
}

}  // namespace imgbuild::test
