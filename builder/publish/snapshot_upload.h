#pragma once

#include <filesystem>
#include <string>

#include "publish/aws.h"
#include "publish/block_map.h"
#include "publish/ec2.h"
#include "publish/publish_state.h"
#include "publish/upload_journal.h"

namespace imgbuild {

/// How the snapshot of an upload is encrypted.
struct Encryption {
  enum class Wanted { no, yes } wanted = Wanted::yes;
  std::string kms_key;  ///< ARN; empty: the account's default key

  /// "none", "default", or the key.
  [[nodiscard]] std::string text() const {
    if (wanted == Wanted::no) return "none";
    return kms_key.empty() ? "default" : kms_key;
  }
  /// AWS shares nothing that is encrypted with an account's default key.
  [[nodiscard]] bool is_shareable() const { return wanted == Wanted::no || !kms_key.empty(); }
};

/// A disk on its way to become a snapshot.
struct SnapshotUpload {
  std::string name;              ///< of its journal and map: a role
  std::filesystem::path disk;    ///< raw
  const BlockMap& map;           ///< of the disk
  Encryption encryption;
  Tags tags = {};
};

struct UploadResult {
  std::string snapshot;
  std::size_t blocks = 0;        ///< sent in this run
  std::string parent;            ///< empty: all of the disk was sent
  enum class Resumed { no, yes } resumed = Resumed::no;
};

/// Tag that holds the client token of the upload that made a snapshot.
inline constexpr const char* kUploadTag = "imgbuild:upload";

/// Uploads the blocks that are not zeros (against the last snapshot of that name, if it is there and encrypted alike: those that
/// changed) and waits until the snapshot is completed. Goes on where a run before was cut, if it was for the same disk; else what
/// that left is deleted. The journal stays for what the caller makes of the snapshot; when that is done it calls PublishState::keep_last,
/// so that the next upload has a parent, and ends the journal.
[[nodiscard]] UploadResult upload_snapshot(Aws& aws, const PublishState& state, UploadJournal& journal, const SnapshotUpload& upload);

/// Deletes what the journal's upload made: snapshot (unless an image has it), parts and object. Ends the journal. Returns what was deleted.
std::vector<std::string> discard_upload(Aws& aws, UploadJournal& journal);

/// A random (version 4) UUID.
[[nodiscard]] std::string new_token();

}  // namespace imgbuild
