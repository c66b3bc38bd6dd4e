#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "publish/aws.h"
#include "publish/ec2.h"
#include "publish/snapshot_upload.h"
#include "publish/upload_journal.h"

namespace imgbuild {

/// A disk that gets to EC2 through a bucket of S3: multipart upload, ImportSnapshot, then the object is deleted.
struct SnapshotImport {
  std::string name;            ///< of the journal: a role
  std::filesystem::path disk;  ///< stream-optimized VMDK, the one compressed form that ImportSnapshot takes
  std::string map;             ///< digest of the disk's block map
  std::string bucket;
  std::string service_role;    ///< that reads the bucket for EC2: vmimport
  Encryption encryption;
  Tags tags;
};

/// The snapshot's id. A run that was cut after the object was whole goes on with the import; one cut before begins anew, after having
/// removed what it left. Once AWS has ended the import, whether well or not, the object is deleted. Throws Error, with AWS's word on why
/// an import failed.
[[nodiscard]] UploadResult import_snapshot(Aws& aws, UploadJournal& journal, const SnapshotImport& import);

/// Cancels the import of a record, deletes the snapshot that it made all the same, the parts and the object. Returns what was deleted;
/// absent is fine.
std::vector<std::string> discard_import(Aws& aws, const UploadRecord& record);

}  // namespace imgbuild
