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
  take("start", record.start);
  take("snapshot", record.snapshot);
  if (json.contains("started")) record.started = json.at("started");
  take("bucket", record.bucket);
  take("key", record.key);
  take("upload", record.upload);
  take("task", record.task);
  if (json.contains("object")) record.is_object_whole = true;
  if (json.contains("completed")) record.is_completed = true;
  if (json.contains("put")) {
    for (const Json& index : json.at("put")) record.put.insert(index.get<std::uint32_t>());
  }
}

/// What the lines up to the first that is torn say, and how many bytes these are.
struct Read {
  std::optional<UploadRecord> record;
  std::uint64_t bytes = 0;
};

Read read_journal(const fs::path& path) {
  Read read;
  if (!fs::is_regular_file(fs::symlink_status(path))) return read;
  const std::string text = io::read_file(path);
  for (std::size_t end = 0; (end = text.find('\n', read.bytes)) != std::string::npos; read.bytes = end + 1) {
    try {
      const Json json = Json::parse(text.substr(read.bytes, end - read.bytes));
      if (!read.record) read.record.emplace();
      take_line(*read.record, json);
    } catch (const Json::exception&) {
      break;
    }
  }
  if (read.record && read.record->token.empty()) read.record.reset();
  return read;
}

}  // namespace

UploadJournal::UploadJournal(fs::path path, const std::function<void()>& on_wait)
    : path_(std::move(path)), lock_(fs::path(path_).replace_extension(".lock"), on_wait), record_(read_journal(path_).record) {}

void UploadJournal::begin(const UploadRecord& record) {
  record_ = record;
  puts_.clear();
  Json json = {{"token", record.token}, {"map", record.map}, {"encryption", record.encryption}, {"parent", record.parent}, {"start", record.start}};
  if (!record.bucket.empty()) json.update({{"bucket", record.bucket}, {"key", record.key}});
  io::write_file(path_, json.dump() + "\n", 0600);
  file_.reset();
}

void UploadJournal::append(const std::string& line, Sync sync) {
  if (!file_) {
    file_ = io::open_for_update(path_);
    fs::resize_file(path_, read_journal(path_).bytes);
  }
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
  record_->started = std::time(nullptr);
  append(Json{{"snapshot", id}, {"started", record_->started}}.dump(), Sync::yes);
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

void UploadJournal::note_object() {
  record_->is_object_whole = true;
  append(Json{{"object", true}}.dump(), Sync::yes);
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
