#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace imgbuild {

/// What to_base64 (util/digest.h) was given. Nothing unless the text is base64 with its padding and nothing else.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace imgbuild
