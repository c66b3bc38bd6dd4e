#include "publish/object_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLeastPart = 8 << 20;
constexpr std::uint64_t kMostParts = 9'000;  // S3 takes 10 000
constexpr std::size_t kMostAtOnce = 8;       // parts are in memory while they travel

AwsCall object_call(const UploadRecord& record, const std::string& operation, const std::string& method, const std::string& query) {
  return {.service = "s3", .operation = operation, .method = method, .path = "/" + record.bucket + "/" + percent_encode(record.key, "/"), .query = query};
}

std::string read_part(const io::File& file, std::uint64_t offset, std::uint64_t size) {
  std::string part(size, '\0');
  const io::File own = io::open_for_reading(file.path());
  fs::path path = file.path();
  std::size_t have = 0;
  if (::lseek(own.fd(), static_cast<off_t>(offset), SEEK_SET) < 0) throw system_error(errno, path.native() + ": can't be read");
  while (have < size) {
    const std::size_t count = io::read(own, part.data() + have, size - have);
    if (count == 0) throw Error(ExitCode::step_failed, "{}: became shorter while it was uploaded", path.native());
    have += count;
  }
  return part;
}

class PartSender {
 public:
  PartSender(Aws& aws, const UploadRecord& record, const fs::path& disk)
      : aws_(aws), record_(record), file_(io::open_for_reading(disk)), size_(fs::file_size(disk)), part_(std::max(kLeastPart, size_ / kMostParts + 1)) {}

  /// The parts' numbers and ETags.
  std::map<int, std::string> send() {
    aws_.status().begin("uploading to s3://" + record_.bucket);
    std::uint64_t next = 0;
    for (; next < size_ || !aws_.is_idle(); aws_.turn()) {
      for (; next < size_ && under_way_ < kMostAtOnce && aws_.has_room(); next += part_) submit(next);
    }
    aws_.status().end(format_byte_size({size_}));
    return etags_;
  }

 private:
  void submit(std::uint64_t offset) {
    const int number = static_cast<int>(offset / part_) + 1;
    const std::uint64_t bytes = std::min(part_, size_ - offset);
    AwsCall call = object_call(record_, "UploadPart", "PUT", fmt::format("partNumber={}&uploadId={}", number, percent_encode(record_.upload)));
    call.body = [this, offset, bytes] { return read_part(file_, offset, bytes); };
    ++under_way_;
    aws_.submit(std::move(call), [this, number, bytes](const HttpAnswer& answer) {
      --under_way_;
      const auto etag = answer.headers.find("etag");
      if (etag == answer.headers.end()) throw Error(ExitCode::network, "UploadPart: the answer has no ETag");
      etags_[number] = etag->second;
      aws_.status().progress(done_ += bytes, size_, format_byte_size({done_}));
    });
  }

  Aws& aws_;
  const UploadRecord& record_;
  io::File file_;
  std::uint64_t size_;
  std::uint64_t part_;
  std::uint64_t done_ = 0;
  std::size_t under_way_ = 0;
  std::map<int, std::string> etags_;
};

void complete_upload(Aws& aws, const UploadRecord& record, const std::map<int, std::string>& etags) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const auto& [number, etag] : etags) body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number, xml_text(etag));
  body += "</CompleteMultipartUpload>";
  AwsCall call = object_call(record, "CompleteMultipartUpload", "POST", "uploadId=" + percent_encode(record.upload));
  call.headers = {{"content-type", "application/xml"}};
  call.body = [&body] { return body; };
  (void)aws.call(std::move(call));
}

void upload_object(Aws& aws, UploadJournal& journal, const fs::path& disk) {
  const XmlNode answer = parse_xml(aws.call(object_call(*journal.record(), "CreateMultipartUpload", "POST", "uploads=")).body);
  journal.note_upload(answer.text_of("UploadId"));
  complete_upload(aws, *journal.record(), PartSender(aws, *journal.record(), disk).send());
}

std::string start_import(Aws& aws, const UploadRecord& record, const SnapshotImport& import) {
  Ec2Parameters parameters = {{"ClientToken", record.token},
                              {"Description", "imgbuild " + import.name},
                              {"RoleName", import.service_role},
                              {"DiskContainer.Format", "VMDK"},
                              {"DiskContainer.UserBucket.S3Bucket", record.bucket},
                              {"DiskContainer.UserBucket.S3Key", record.key}};
  if (import.encryption.wanted == Encryption::Wanted::yes) {
    parameters.emplace_back("Encrypted", "true");
    if (!import.encryption.kms_key.empty()) parameters.emplace_back("KmsKeyId", import.encryption.kms_key);
  }
  parameters.emplace_back("TagSpecification.1.ResourceType", "import-snapshot-task");
  add_tags(parameters, "TagSpecification.1.Tag", {{kUploadTag, record.token}});
  return ec2_call(aws, "ImportSnapshot", parameters).text_of("importTaskId");
}

std::string wait_for_import(Aws& aws, const std::string& task) {
  aws.status().begin("AWS imports the disk");
  for (Poll poll;; poll.wait()) {
    const XmlNode answer = ec2_call(aws, "DescribeImportSnapshotTasks", {{"ImportTaskId.1", task}});
    const std::vector<const XmlNode*> items = answer.items("importSnapshotTaskSet");
    const XmlNode* detail = items.empty() ? nullptr : items.front()->find("snapshotTaskDetail");
    if (detail == nullptr) throw Error(ExitCode::network, "{}: AWS does not know this import", task);
    const std::string state = detail->text_of("status");
    if (state == "completed") return detail->text_of("snapshotId");
    if (state == "deleted" || state == "deleting") {
      throw Error(ExitCode::network, "{}: AWS could not import the disk: {}", task, detail->text_of("statusMessage"));
    }
    aws.status().progress(0, 0, detail->text_of("statusMessage"));
  }
}

void tag_snapshot(Aws& aws, const std::string& id, Tags tags, const std::string& token) {
  tags[kUploadTag] = token;
  Ec2Parameters parameters = {{"ResourceId.1", id}};
  add_tags(parameters, "Tag", tags);
  (void)ec2_call(aws, "CreateTags", parameters);
}

}  // namespace

void discard_object(Aws& aws, const UploadRecord& record) {
  try {
    if (!record.upload.empty()) (void)aws.call(object_call(record, "AbortMultipartUpload", "DELETE", "uploadId=" + percent_encode(record.upload)));
  } catch (const AwsError& error) {
    if (error.aws_code() != "NoSuchUpload") throw;
  }
  (void)aws.call(object_call(record, "DeleteObject", "DELETE", ""));
}

UploadResult import_snapshot(Aws& aws, UploadJournal& journal, const SnapshotImport& import) {
  UploadResult result;
  const auto& old = journal.record();
  if (old && old->map == import.map && old->bucket == import.bucket && old->encryption == import.encryption.text() && !old->task.empty()) {
    result.resumed = UploadResult::Resumed::yes;
  } else {
    if (old) (void)discard_upload(aws, journal);
    const std::string token = new_token();
    journal.begin({.token = token, .map = import.map, .encryption = import.encryption.text(), .bucket = import.bucket, .key = fmt::format("imgbuild/{}-{}.vmdk", import.name, token)});
    upload_object(aws, journal, import.disk);
    journal.note_task(start_import(aws, *journal.record(), import));
  }
  try {
    result.snapshot = wait_for_import(aws, journal.record()->task);
  } catch (const Error&) {
    (void)discard_upload(aws, journal);
    throw;
  }
  journal.note_snapshot(result.snapshot);
  tag_snapshot(aws, result.snapshot, import.tags, journal.record()->token);
  discard_object(aws, *journal.record());
  return result;
}

}  // namespace imgbuild
