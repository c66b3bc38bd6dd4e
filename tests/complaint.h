#pragma once

#include <gtest/gtest.h>

#include <string>

#include "util/error.h"

namespace imgbuild {

/// What people would read when 'call' fails: message, context and hint. A call that does not fail fails the test.
template <typename Call>
std::string complaint_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.describe();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace imgbuild
