#include "publish/upload_journal.h"

#include <nlohmann/json.hpp>

#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

constexpr std::size_t kPutsALine = 32;  // lost ones are sent again: 16 MiB

void take_line(UploadRecord& record, const Json& json) {
  const auto take = [&](const char* key, std::string& value) {
    if (json.contains(key)) value = json.at(key);
  };
  take("token", record.token);
  take("map", record.map);
  take("encryption", record.encryption);
  take("parent", record.parent);
  take("snapshot", record.snapshot);
  take("bucket", record.bucket);
  take("key", record.key);
  take("upload", record.upload);
  take("task", record.task);
  if (json.contains("completed")) record.is_completed = true;
  if (json.contains("put")) {
    for (const Json& index : json.at("put")) record.put.insert(index.get<std::uint32_t>());
  }
}

/// The lines up to the first that is torn.
std::optional<UploadRecord> read_record(const fs::path& path) {
  if (!fs::is_regular_file(fs::symlink_status(path))) return std::nullopt;
  const std::string text = io::read_file(path);
  std::optional<UploadRecord> record;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    try {
      const Json json = Json::parse(text.substr(at, end - at));
      if (!record) record.emplace();
      take_line(*record, json);
    } catch (const Json::exception&) {
      break;
    }
  }
  if (record && record->token.empty()) return std::nullopt;
  return record;
}

}  // namespace

UploadJournal::UploadJournal(fs::path path, const std::function<void()>& on_wait)
    : path_(std::move(path)), lock_(fs::path(path_).replace_extension(".lock"), on_wait), record_(read_record(path_)) {}

void UploadJournal::begin(const UploadRecord& record) {
  record_ = record;
  puts_.clear();
  Json json = {{"token", record.token}, {"map", record.map}, {"encryption", record.encryption}, {"parent", record.parent}};
  if (!record.bucket.empty()) json.update({{"bucket", record.bucket}, {"key", record.key}});
  io::write_file(path_, json.dump() + "\n", 0600);
  file_.reset();
}

void UploadJournal::append(const std::string& line, Sync sync) {
  if (!file_) file_ = io::open_for_update(path_);
  const std::uint64_t end = fs::file_size(path_);
  io::write_all_at(*file_, line + "\n", end);
  if (sync == Sync::yes) io::sync(*file_);
}

void UploadJournal::write_puts() {
  if (puts_.empty()) return;
  append(Json{{"put", puts_}}.dump(), Sync::no);
  puts_.clear();
}

void UploadJournal::note_snapshot(const std::string& id) {
  record_->snapshot = id;
  append(Json{{"snapshot", id}}.dump(), Sync::yes);
}

void UploadJournal::note_put(std::uint32_t index) {
  record_->put.insert(index);
  puts_.push_back(index);
  if (puts_.size() >= kPutsALine) write_puts();
}

void UploadJournal::note_completed() {
  write_puts();
  record_->is_completed = true;
  append(Json{{"completed", true}}.dump(), Sync::yes);
}

void UploadJournal::note_upload(const std::string& id) {
  record_->upload = id;
  append(Json{{"upload", id}}.dump(), Sync::yes);
}

void UploadJournal::note_task(const std::string& id) {
  record_->task = id;
  append(Json{{"task", id}}.dump(), Sync::yes);
}

void UploadJournal::end() {
  record_.reset();
  puts_.clear();
  file_.reset();
  io::remove_file(path_);
}

}  // namespace imgbuild
