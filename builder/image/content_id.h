#pragma once

#include <string>
#include <string_view>

#include "image/disk_piece.h"
#include "util/digest.h"

/// Identifiers that formats want to be unique: made from the disk's content, so that the same disk gives the same bytes.
namespace imgbuild {

/// Notes a piece and its digest.
void add_to_content(Sha256& content, const Piece& piece);

/// A UUID (RFC 9562, version 8: 16 bytes) for one 'purpose', from the digest of all pieces.
[[nodiscard]] std::string content_id(const std::string& digest, std::string_view purpose);

}  // namespace imgbuild
