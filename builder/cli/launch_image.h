#pragma once

#include <filesystem>
#include <string>

#include "publish/ami.h"

namespace imgbuild {

/// Of which role a machine's image is to be.
struct WantedImage {
  std::string role;
  std::filesystem::path manifest;     ///< of the role's image here; may not be there
  std::filesystem::path environment;  ///< for messages
};

/// The newest available image of the role that has the plan of the manifest; the newest available one if none has. Says in a note
/// which it is. Throws Error (bad input) if there is none, or none is available.
[[nodiscard]] Ami choose_image(Aws& aws, const WantedImage& wanted);

/// The image of that id. Throws Error (bad input) if it is none of ours, or is not available.
[[nodiscard]] Ami require_image(Aws& aws, const std::string& id);

}  // namespace imgbuild
