#pragma once

#include <string>
#include <vector>

#include "peers/peer.h"

namespace imgbuild {

/// A connection that the matrix asks for, in one direction.
struct Link {
  std::string from;
  std::string to;
  unsigned port = 0;
  enum class Verdict { proven, failed, not_tried } verdict = Verdict::not_tried;
  std::string problem;  ///< of a link that is not proven
};

/// Lets every machine that answers try its links, all at once, and returns all links of the matrix in the order of the
/// machines. A machine that does not answer gets a 'trouble'. A link is proven when the machine says so, on the right port, and
/// the peer knew it by its name.
[[nodiscard]] std::vector<Link> prove(std::vector<Peer>& peers, const Environment& environment, const Ssh& ssh, Status& status);

/// What differs between what is installed and the matrix with the certificates of now: one line each.
[[nodiscard]] std::vector<std::string> differences(const std::vector<Peer>& peers, const Environment& environment);

}  // namespace imgbuild
