#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tree/guest.h"

namespace imgbuild {

struct NativeGuestOptions {
  std::filesystem::path tree;                  ///< the tree's folder; ours to change
  std::int64_t source_date_epoch = 0;          ///< seconds since 1970
  std::vector<std::string> device_files = {};  ///< exist, empty, in /dev: grub_device_files
};

/// A guest that runs commands in namespaces of this host's kernel. We must be root or have called
/// enter_user_namespace. Throws Error (host unfit) if the kernel does not let us.
[[nodiscard]] std::unique_ptr<Guest> make_native_guest(const NativeGuestOptions& options);

}  // namespace imgbuild
