#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "peers/peer.h"

namespace imgbuild {

/// What must be installed on one machine: everything of the matrix that is known, in one call.
struct Installation {
  Peer* on = nullptr;
  std::vector<const PeerPackage*> packages;
  std::vector<std::string> fresh;  ///< names of those that are not installed there yet, or with another certificate
  std::optional<std::string> keystore;
  std::string trouble;  ///< why it could not be done; set by install()
};

/// The installations that are not done yet, on machines that answered. With 'keystore' (an absolute path in the web machines)
/// all web machines are among them, for what is in theirs is not known.
[[nodiscard]] std::vector<Installation> missing_installations(std::vector<Peer>& peers, const Environment& environment,
                                                              const std::optional<std::string>& keystore);

/// The packages that will be new anywhere, in the order of the machines.
[[nodiscard]] std::vector<const PeerPackage*> fresh_packages(const std::vector<Peer>& peers, const std::vector<Installation>& installations);

/// Carries them out, all at once: each machine takes its whole list or keeps its old one. One that could not gets a 'trouble'.
void install(std::vector<Installation>& installations, const Ssh& ssh, Status& status);

/// Writes the packages as NAME.pkg (0644) into 'folder', made if absent. Returns the paths.
[[nodiscard]] std::vector<std::filesystem::path> write_packages(const std::vector<Peer>& peers, const std::filesystem::path& folder);

/// Writes, for each machine that we can't log in to, NAME.txt into 'folder': which packages its owner must install, and how.
/// Returns the paths.
[[nodiscard]] std::vector<std::filesystem::path> write_instructions(const std::vector<Peer>& peers, const Environment& environment,
                                                                    const std::filesystem::path& folder);

}  // namespace imgbuild
