#include "image/raw.h"

#include <algorithm>

#include "util/interrupt.h"

namespace imgbuild {
namespace {

/// Readers need as much memory as a frame holds.
constexpr std::uint64_t kMostZeros = 8 * kPiece;

}  // namespace

void RawWriter::add(const Piece& piece) {
  file_.append_zeros(piece.offset - file_.size());
  for (std::size_t i = 0; i < kClustersInPiece && i * kCluster < piece.size; ++i) {
    const std::string_view bytes = piece.cluster(i).substr(0, piece.size - i * kCluster);
    if (piece.is_zero[i]) file_.append_zeros(bytes.size());
    else file_.append(bytes);
  }
}

void RawZstWriter::add(const Piece& piece) {
  if (piece.is_all_zero()) return;
  add_zeros_up_to(piece.offset);
  file_.append(piece.frame);
  done_ += piece.size;
}

void RawZstWriter::add_zeros_up_to(std::uint64_t offset) {
  while (done_ < offset) {
    check_interrupt();
    const std::uint64_t size = std::min(kMostZeros, offset - done_);
    const auto [frame, is_new] = zero_frames_.try_emplace(size);
    if (is_new) frame->second = zero_frame(size);
    file_.append(frame->second);
    done_ += size;
  }
}

}  // namespace imgbuild
