#include "publish/snapshot_upload.h"

#include <ctime>
#include <nlohmann/json.hpp>
#include <random>

#include "publish/object_store.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {

using Json = nlohmann::json;

constexpr int kTimeout_min = 360;  // AWS gives an upload up that was silent for so long

/// StartSnapshot's body. A parent says how it is encrypted.
std::string start_body(const UploadRecord& record, const SnapshotUpload& upload) {
  Json json = {{"VolumeSize", upload.map.volume_gib}, {"ClientToken", record.token}, {"Timeout", kTimeout_min}, {"Description", "imgbuild " + upload.name}};
  json["Tags"] = Json::array({{{"Key", kUploadTag}, {"Value", record.token}}});
  for (const auto& [key, value] : upload.tags) json["Tags"].push_back({{"Key", key}, {"Value", value}});
  if (!record.parent.empty()) {
    json["ParentSnapshotId"] = record.parent;
  } else if (upload.encryption.wanted == Encryption::Wanted::yes) {
    json["Encrypted"] = true;
    if (!upload.encryption.kms_key.empty()) json["KmsKeyArn"] = upload.encryption.kms_key;
  }
  return json.dump();
}

/// What StartSnapshot answers.
struct Started {
  std::string id;
  enum class Encrypted { unknown, no, yes } encrypted = Encrypted::unknown;
};

Started start_snapshot(Aws& aws, const std::string& body) {
  const HttpAnswer said = aws.call({.service = "ebs", .operation = "StartSnapshot", .path = "/snapshots", .headers = {{"content-type", "application/json"}},
                                    .body = [&body] { return body; }});
  const Json answer = Json::parse(said.body, nullptr, false);
  if (!answer.is_object() || !answer.contains("SnapshotId") || answer.value("BlockSize", 0) != static_cast<int>(kBlockSize)) {
    throw Error(ExitCode::network, "StartSnapshot: the answer names no snapshot with blocks of {} bytes", kBlockSize);
  }
  Started started = {.id = answer.at("SnapshotId")};
  if (answer.value("SseType", "") == "none") started.encrypted = Started::Encrypted::no;
  if (!answer.value("KmsKeyArn", "").empty()) started.encrypted = Started::Encrypted::yes;
  return started;
}

/// Before anything is on it: an account may encrypt all that is new, and a disk that must be encrypted is not left open.
void require_encryption(const Started& started, const Encryption& encryption) {
  if (encryption.wanted == Encryption::Wanted::no && started.encrypted == Started::Encrypted::yes) {
    throw Error(ExitCode::bad_input, "StartSnapshot: {} is encrypted, for this account encrypts all that is new", started.id)
        .set_hint("leave --no-encryption away; to share the image, name a key of your own with --kms-key");
  }
  if (encryption.wanted == Encryption::Wanted::yes && started.encrypted == Started::Encrypted::no) {
    throw Error(ExitCode::verification_failed, "StartSnapshot: {} is not encrypted, though that was asked for", started.id);
  }
}

AwsCall put_call(const std::string& snapshot, std::uint32_t index, const BlockDigest& digest) {
  return {.service = "ebs",
          .operation = "PutSnapshotBlock",
          .method = "PUT",
          .path = fmt::format("/snapshots/{}/blocks/{}", snapshot, index),
          .headers = {{"content-type", "application/octet-stream"},
                      {"x-amz-checksum", to_base64({digest.data(), digest.size()})},
                      {"x-amz-checksum-algorithm", "SHA256"},
                      {"x-amz-data-length", std::to_string(kBlockSize)}},
          .payload = AwsCall::Payload::unsigned_payload,  // the checksum is signed
          .fresh = AwsCall::Fresh::yes,
          .twice = AwsCall::Twice::yes};
}

void require_echo(const HttpAnswer& answer, const BlockDigest& digest, std::uint32_t index) {
  const auto echo = answer.headers.find("x-amz-checksum");
  if (echo != answer.headers.end() && echo->second == to_base64({digest.data(), digest.size()})) return;
  throw Error(ExitCode::verification_failed, "PutSnapshotBlock: AWS has another checksum of block {} than it was sent with", index)
      .set_hint("run the same command again; if it happens again, the way to AWS changes data");
}

class Sender {
 public:
  Sender(Aws& aws, UploadJournal& journal, const SnapshotUpload& upload)
      : aws_(aws), journal_(journal), upload_(upload), file_(io::open_for_reading(upload.disk)) {}

  std::size_t send(const std::vector<std::uint32_t>& indexes) {
    std::vector<std::uint32_t> missing;
    for (const std::uint32_t index : indexes) {
      if (!journal_.record()->put.contains(index)) missing.push_back(index);
    }
    aws_.status().begin(fmt::format("uploading {}", upload_.name));
    total_ = missing.size() * kBlockSize;
    for (auto next = missing.begin(); next != missing.end() || !aws_.is_idle(); aws_.turn()) {
      for (; next != missing.end() && aws_.has_room(); ++next) submit(*next);
    }
    journal_.note_all_put();
    aws_.status().end(format_byte_size({total_}));
    return missing.size();
  }

 private:
  void submit(std::uint32_t index) {
    const BlockDigest digest = digest_at(upload_.map, index);
    AwsCall call = put_call(journal_.record()->snapshot, index, digest);
    call.body = [this, index] { return read_block(file_.fd(), upload_.disk, index); };
    aws_.submit(std::move(call), [this, index, digest](const HttpAnswer& answer) {
      require_echo(answer, digest, index);
      journal_.note_put(index);
      aws_.status().progress(done_ += kBlockSize, total_, format_byte_size({done_}));
    });
  }

  Aws& aws_;
  UploadJournal& journal_;
  const SnapshotUpload& upload_;
  io::File file_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

void ask_to_complete(Aws& aws, const std::string& snapshot, const BlockMap& map, const std::vector<std::uint32_t>& indexes) {
  (void)aws.call({.service = "ebs",
                  .operation = "CompleteSnapshot",
                  .path = "/snapshots/completion/" + snapshot,
                  .headers = {{"x-amz-changedblockscount", std::to_string(indexes.size())},
                              {"x-amz-checksum", to_base64(linear_checksum(map, indexes))},
                              {"x-amz-checksum-algorithm", "SHA256"},
                              {"x-amz-checksum-aggregation-method", "LINEAR"}},
                  .fresh = AwsCall::Fresh::yes});
}

/// True once EC2 says that it is completed; false after five minutes.
bool becomes_completed(Aws& aws, const std::string& snapshot) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  for (Poll poll; std::chrono::steady_clock::now() < deadline; poll.wait()) {
    const std::optional<SnapshotFacts> facts = find_snapshot(aws, snapshot);
    if (facts && facts->state != "pending") return facts->state == "completed";
  }
  return false;
}

/// Where the answer to an attempt before was lost (of a run that was killed, of this one, or of libcurl, which asks again by itself on
/// a connection that had been closed) AWS refuses a second one, and nowhere it is written how: then what EC2 says of the snapshot counts.
void complete_snapshot(Aws& aws, const std::string& snapshot, const BlockMap& map, const std::vector<std::uint32_t>& indexes) {
  try {
    ask_to_complete(aws, snapshot, map, indexes);
  } catch (const AwsError& error) {
    if (error.aws_code() == "AccessDeniedException" || !becomes_completed(aws, snapshot)) throw;
  }
}

/// The last snapshot of that name, if a new one can be told by what changed since.
std::optional<PublishState::Last> usable_parent(Aws& aws, const PublishState& state, const SnapshotUpload& upload) {
  std::optional<PublishState::Last> last = state.last(upload.name);
  if (!last || last->encryption != upload.encryption.text() || last->map.volume_gib > upload.map.volume_gib) return std::nullopt;
  const std::optional<SnapshotFacts> facts = find_snapshot(aws, last->snapshot);
  return facts && facts->state == "completed" ? last : std::nullopt;
}

/// So young that EC2 may not know it yet.
bool is_news(const UploadRecord& record) { return std::time(nullptr) - record.started < kSpreadTime.count(); }

/// True if what a run before began can be ended: the same disk, and the snapshot is still waiting for it.
bool is_resumable(Aws& aws, const UploadRecord& record, const SnapshotUpload& upload) {
  if (!record.bucket.empty() || record.map != digest_of(upload.map) || record.encryption != upload.encryption.text()) return false;
  if (record.snapshot.empty()) return true;  // asking again with the same token gives it
  const std::optional<SnapshotFacts> facts = find_snapshot(aws, record.snapshot);
  return facts ? facts->state != "error" : is_news(record);
}

/// The parent that the journal's record is against, or will be.
using Parent = std::optional<PublishState::Last>;

void begin_record(UploadJournal& journal, const SnapshotUpload& upload, const Parent& parent) {
  UploadRecord record = {.token = new_token(), .map = digest_of(upload.map), .encryption = upload.encryption.text(), .parent = parent ? parent->snapshot : ""};
  record.start = start_body(record, upload);
  journal.begin(record);
}

/// The snapshot of the journal's record, made if it is not there. A parent that AWS does not take (its key has gone, or the account
/// encrypts all that is new since) is done without.
void begin_snapshot(Aws& aws, UploadJournal& journal, const SnapshotUpload& upload, Parent& parent) {
  Started started;
  try {
    started = start_snapshot(aws, journal.record()->start);
  } catch (const AwsError& error) {
    if (!parent) throw;
    aws.status().note(fmt::format("{} can't be the parent ({}), so all blocks are sent", parent->snapshot, error.what()));
    parent.reset();
    begin_record(journal, upload, parent);
    started = start_snapshot(aws, journal.record()->start);
  }
  journal.note_snapshot(started.id);
  try {
    require_encryption(started, upload.encryption);
  } catch (const Error&) {
    (void)discard_upload(aws, journal);
    throw;
  }
}

}  // namespace

std::string new_token() {
  std::random_device device;
  std::string hex;
  for (int i = 0; i < 4; ++i) hex += fmt::format("{:08x}", device());
  hex[12] = '4';
  hex[16] = "89ab"[device() % 4];
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20));
}

UploadResult upload_snapshot(Aws& aws, const PublishState& state, UploadJournal& journal, const SnapshotUpload& upload) {
  UploadResult result;
  if (journal.record() && is_resumable(aws, *journal.record(), upload)) {
    result.resumed = UploadResult::Resumed::yes;
  } else if (journal.record()) {
    for (const std::string& gone : discard_upload(aws, journal)) aws.status().note("deleted " + gone + ", left by an upload of another image");
  }
  Parent parent = usable_parent(aws, state, upload);
  if (result.resumed == UploadResult::Resumed::yes && journal.record()->parent.empty()) parent.reset();  // all blocks are sent, as was begun
  if (result.resumed == UploadResult::Resumed::yes && journal.record()->parent != (parent ? parent->snapshot : "")) {
    (void)discard_upload(aws, journal);  // its parent has gone or is another now, so the blocks to send are others
    result.resumed = UploadResult::Resumed::no;
  }
  if (result.resumed == UploadResult::Resumed::no) begin_record(journal, upload, parent);
  if (journal.record()->snapshot.empty()) begin_snapshot(aws, journal, upload, parent);
  const std::vector<std::uint32_t> indexes = changed_blocks(parent ? parent->map : BlockMap{}, upload.map);
  result.snapshot = journal.record()->snapshot;
  result.parent = journal.record()->parent;
  if (!journal.record()->is_completed) {
    result.blocks = Sender(aws, journal, upload).send(indexes);
    complete_snapshot(aws, result.snapshot, upload.map, indexes);
    journal.note_completed();
  }
  wait_for_snapshot(aws, result.snapshot);
  return result;
}

namespace {

/// The record's snapshot. Where the answer to StartSnapshot was lost, asking the same again tells it.
std::string snapshot_of(Aws& aws, const UploadRecord& record) {
  if (!record.snapshot.empty() || record.start.empty()) return record.snapshot;
  try {
    return start_snapshot(aws, record.start).id;
  } catch (const AwsError&) {
    return {};  // what AWS does not take now it has not taken before
  }
}

/// One made moments ago may be unknown to EC2 yet, and would stay if it were forgotten now.
Deleted delete_young(Aws& aws, const std::string& id, const UploadRecord& record) {
  for (Poll poll;; poll.wait()) {
    const Deleted deleted = delete_snapshot(aws, id);
    if (deleted != Deleted::absent || !is_news(record)) return deleted;
  }
}

}  // namespace

std::vector<std::string> discard_upload(Aws& aws, UploadJournal& journal) {
  std::vector<std::string> gone;
  if (!journal.record()->bucket.empty()) gone = discard_import(aws, *journal.record());
  const std::string snapshot = snapshot_of(aws, *journal.record());
  if (!snapshot.empty() && snapshot != journal.record()->snapshot) journal.note_snapshot(snapshot);
  if (!snapshot.empty() && delete_young(aws, snapshot, *journal.record()) == Deleted::yes) gone.push_back(snapshot);
  journal.end();
  return gone;
}

}  // namespace imgbuild
