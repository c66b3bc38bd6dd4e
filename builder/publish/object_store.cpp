#include "publish/object_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "publish/ami.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLeastPart = 8 << 20;
constexpr std::uint64_t kMostParts = 9'000;  // S3 takes 10 000
constexpr std::size_t kMostAtOnce = 8;       // parts are in memory while they travel
constexpr std::chrono::minutes kPuttingTogether{10};  // of the parts; S3's guide says that it may take minutes
constexpr std::chrono::hours kMostImport{6};  // others polled for 100 minutes

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

/// The version of the record's object, empty where the bucket keeps none; nothing where there is no object, or S3 does not show it.
std::optional<std::string> find_object(Aws& aws, const UploadRecord& record) {
  AwsCall call = object_call(record, "GetObject", "GET", "");
  call.headers = {{"range", "bytes=0-0"}};
  try {
    const HttpAnswer answer = aws.call(std::move(call));
    const auto version = answer.headers.find("x-amz-version-id");
    return version == answer.headers.end() || version->second == "null" ? "" : version->second;
  } catch (const AwsError&) {
    return std::nullopt;
  }
}

void complete_upload(Aws& aws, const UploadRecord& record, const std::map<int, std::string>& etags) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const auto& [number, etag] : etags) body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", number, xml_text(etag));
  body += "</CompleteMultipartUpload>";
  AwsCall call = object_call(record, "CompleteMultipartUpload", "POST", "uploadId=" + percent_encode(record.upload));
  call.headers = {{"content-type", "application/xml"}};
  call.body = [&body] { return body; };
  call.patience = kPuttingTogether;
  try {
    (void)aws.call(std::move(call));
  } catch (const AwsError& error) {
    // The answer to an attempt before was lost, and that one had been carried out.
    if (error.aws_code() != "NoSuchUpload" || !find_object(aws, record)) throw;
  }
}

/// Multipart uploads of the record's key: also those whose id we never heard.
void abort_uploads(Aws& aws, const UploadRecord& record) {
  const AwsCall list = {.service = "s3", .operation = "ListMultipartUploads", .method = "GET", .path = "/" + record.bucket,
                        .query = "prefix=" + percent_encode(record.key) + "&uploads="};
  const XmlNode answer = parse_xml(aws.call(list).body);
  for (const XmlNode& upload : answer.children) {
    if (upload.name != "Upload") continue;
    try {
      (void)aws.call(object_call(record, "AbortMultipartUpload", "DELETE", "uploadId=" + percent_encode(upload.text_of("UploadId"))));
    } catch (const AwsError& error) {
      if (error.aws_code() != "NoSuchUpload") throw;
    }
  }
}

void upload_object(Aws& aws, UploadJournal& journal, const fs::path& disk) {
  try {
    const XmlNode answer = parse_xml(aws.call(object_call(*journal.record(), "CreateMultipartUpload", "POST", "uploads=")).body);
    journal.note_upload(answer.text_of("UploadId"));
  } catch (AwsError& error) {
    if (error.aws_code() == "PermanentRedirect") error.set_hint(fmt::format("the bucket must be in {}", aws.region()));
    throw;
  }
  const std::map<int, std::string> etags = PartSender(aws, *journal.record(), disk).send();
  complete_upload(aws, *journal.record(), etags);
  journal.note_object();
  abort_uploads(aws, *journal.record());
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

/// How far an import is. AWS names the snapshot as soon as it makes it.
struct ImportState {
  std::string task;
  std::string state;    ///< active, completed, deleting, deleted
  std::string message;
  std::string snapshot;
};

/// That of the task, or where its id was never heard, of the record's tag. Nothing: none was begun.
std::optional<ImportState> import_state(Aws& aws, const UploadRecord& record) {
  const Ec2Parameters parameters = record.task.empty() ? Ec2Parameters{} : Ec2Parameters{{"ImportTaskId.1", record.task}};
  for (const XmlNode& item : ec2_list(aws, "DescribeImportSnapshotTasks", parameters, "importSnapshotTaskSet")) {
    const XmlNode* detail = item.find("snapshotTaskDetail");
    const Tags tags = read_tags(item);
    const auto token = tags.find(kUploadTag);
    if (detail == nullptr || (record.task.empty() && (token == tags.end() || token->second != record.token))) continue;
    return ImportState{.task = item.text_of("importTaskId"), .state = detail->text_of("status"), .message = detail->text_of("statusMessage"),
                       .snapshot = detail->text_of("snapshotId")};
  }
  return std::nullopt;
}

/// The state it ends in.
ImportState wait_for_import(Aws& aws, const UploadRecord& record) {
  aws.status().begin("AWS imports the disk");
  const auto deadline = std::chrono::steady_clock::now() + kMostImport;
  for (Poll poll;; poll.wait()) {
    const std::optional<ImportState> state = import_state(aws, record);
    if (!state) throw Error(ExitCode::network, "{}: AWS does not know this import", record.task);
    if (state->state != "active" && state->state != "pending") return *state;
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::network, "{}: is not imported after {} hours", record.task, kMostImport.count()).set_hint("run the same command again to go on waiting");
    }
    aws.status().progress(0, 0, state->message);
  }
}

/// Ends an import that nobody wants any more; the snapshot that it has made all the same, or none.
std::string cancel_import(Aws& aws, const UploadRecord& record) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  std::optional<ImportState> state = import_state(aws, record);
  if (state && state->state == "active") {
    try {
      (void)ec2_call(aws, "CancelImportTask", {{"ImportTaskId", state->task}});
    } catch (const AwsError&) {
      // it ended meanwhile: its state tells how
    }
  }
  for (Poll poll; state && state->state != "completed" && state->state != "deleted" && std::chrono::steady_clock::now() < deadline; poll.wait()) {
    state = import_state(aws, record);
  }
  return state && state->state == "completed" ? state->snapshot : "";
}

/// Without its version a bucket that keeps them would only hide it.
void delete_object(Aws& aws, const UploadRecord& record) {
  const std::string version = find_object(aws, record).value_or("");
  (void)aws.call(object_call(record, "DeleteObject", "DELETE", version.empty() ? "" : "versionId=" + percent_encode(version)));
}

}  // namespace

std::vector<std::string> discard_import(Aws& aws, const UploadRecord& record) {
  std::vector<std::string> gone;
  const std::string snapshot = record.is_object_whole ? cancel_import(aws, record) : "";
  if (!snapshot.empty() && snapshot != record.snapshot && delete_snapshot(aws, snapshot) == Deleted::yes) gone.push_back(snapshot);
  abort_uploads(aws, record);
  delete_object(aws, record);
  gone.push_back(fmt::format("s3://{}/{}", record.bucket, record.key));
  return gone;
}

UploadResult import_snapshot(Aws& aws, UploadJournal& journal, const SnapshotImport& import) {
  UploadResult result;
  const auto& old = journal.record();
  if (old && old->map == import.map && old->bucket == import.bucket && old->encryption == import.encryption.text() && old->is_object_whole) {
    result.resumed = UploadResult::Resumed::yes;
  } else {
    if (old) (void)discard_upload(aws, journal);
    const std::string token = new_token();
    journal.begin({.token = token, .map = import.map, .encryption = import.encryption.text(), .bucket = import.bucket, .key = fmt::format("imgbuild/{}-{}.vmdk", import.name, token)});
    upload_object(aws, journal, import.disk);
  }
  if (journal.record()->task.empty()) journal.note_task(start_import(aws, *journal.record(), import));
  const ImportState state = wait_for_import(aws, *journal.record());
  if (state.state != "completed") {
    (void)discard_upload(aws, journal);
    throw Error(ExitCode::network, "{}: AWS could not import the disk: {}", state.task, state.message);
  }
  result.snapshot = state.snapshot;
  journal.note_snapshot(result.snapshot);
  Tags tags = import.tags;  // of the task AWS gives none to the snapshot
  tags[kUploadTag] = journal.record()->token;
  tag_resources(aws, {result.snapshot}, tags);
  delete_object(aws, *journal.record());
  return result;
}

}  // namespace imgbuild
