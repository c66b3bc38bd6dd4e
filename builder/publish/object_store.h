#pragma once

#include <filesystem>
#include <string>

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

/// The snapshot's id. A run that was cut while AWS imported goes on waiting; one cut before begins anew, after having removed what it
/// left. The object is deleted whether the import works or not. Throws Error, with AWS's word on why an import failed.
[[nodiscard]] UploadResult import_snapshot(Aws& aws, UploadJournal& journal, const SnapshotImport& import);

/// Aborts the multipart upload and deletes the object of a record. Absent is fine.
void discard_object(Aws& aws, const UploadRecord& record);

}  // namespace imgbuild
