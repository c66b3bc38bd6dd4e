#include <libdeflate.h>
#include <zstd.h>

#include <memory>
#include <vector>

#include "image/disk_piece.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace {

/// Level 1 takes half the time of 3, QEMU's, for 4 % more bytes (a web-master's tree).
constexpr int kClusterLevel = 1;
constexpr int kFrameLevel = 3;
constexpr int kDeflateLevel = 5;

ZSTD_CCtx* zstd_context() {
  thread_local const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  return context.get();
}

libdeflate_compressor* deflate_context() {
  thread_local const std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> context(
      libdeflate_alloc_compressor(kDeflateLevel), &libdeflate_free_compressor);
  return context.get();
}

std::string zstd_cluster(std::string_view bytes) {
  std::string out(kCluster, '\0');
  const std::size_t size = ZSTD_compressCCtx(zstd_context(), out.data(), out.size() - 1, bytes.data(), bytes.size(), kClusterLevel);
  out.resize(ZSTD_isError(size) != 0 ? 0 : size);  // an error: no room in less than a cluster
  out.shrink_to_fit();
  return out;
}

std::string deflate_cluster(std::string_view bytes) {
  std::string out(libdeflate_deflate_compress_bound(deflate_context(), bytes.size()), '\0');
  const std::size_t size = libdeflate_deflate_compress(deflate_context(), bytes.data(), bytes.size(), out.data(), out.size());
  if (size == 0) throw Error(ExitCode::host_unfit, "libdeflate does not compress");
  out.resize(size);
  out.shrink_to_fit();
  return out;
}

std::string zstd_frame(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  ZSTD_CCtx_reset(zstd_context(), ZSTD_reset_session_and_parameters);
  ZSTD_CCtx_setParameter(zstd_context(), ZSTD_c_compressionLevel, kFrameLevel);
  ZSTD_CCtx_setParameter(zstd_context(), ZSTD_c_checksumFlag, 1);
  const std::size_t size = ZSTD_compress2(zstd_context(), out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) throw Error(ExitCode::host_unfit, "libzstd does not compress: {}", ZSTD_getErrorName(size));
  out.resize(size);
  out.shrink_to_fit();
  return out;
}

}  // namespace

void encode(Piece& piece, const std::set<Encoding>& wanted) {
  if (piece.is_all_zero()) return;
  for (std::size_t i = 0; i < kClustersInPiece; ++i) {
    if (piece.is_zero[i]) continue;
    if (wanted.contains(Encoding::zstd_clusters)) piece.zstd[i] = zstd_cluster(piece.cluster(i));
    if (wanted.contains(Encoding::deflate_clusters)) piece.deflate[i] = deflate_cluster(piece.cluster(i));
  }
  if (wanted.contains(Encoding::zstd_frame)) piece.frame = zstd_frame(std::string_view(piece.bytes).substr(0, piece.size));
  if (wanted.contains(Encoding::digest)) piece.digest = sha256(piece.bytes);
}

std::uint32_t adler32(std::string_view bytes) { return libdeflate_adler32(1, bytes.data(), bytes.size()); }

std::string zero_frame(std::uint64_t size) { return zstd_frame(std::string(size, '\0')); }

}  // namespace imgbuild
