#include "base/download_cache.h"

#include <nlohmann/json.hpp>

#include "base/partial_file.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;

Json to_json(const VerifiedImage& image) {
  return {{"serial", image.serial}, {"sha256", image.sha256}, {"size", image.size.bytes},
          {"url", image.url},       {"signer", image.signer}, {"statement_time", image.statement_time}};
}

VerifiedImage image_from_json(const Json& json) {
  VerifiedImage image{.serial = json.at("serial").get<std::string>(),
                      .sha256 = json.at("sha256").get<std::string>(),
                      .size = {json.at("size").get<std::uint64_t>()},
                      .url = json.at("url").get<std::string>(),
                      .signer = json.at("signer").get<std::string>(),
                      .statement_time = json.at("statement_time").get<std::int64_t>()};
  if (!is_sha256(image.sha256)) throw std::runtime_error("no digest");  // it becomes a file name
  return image;
}

BaseRecord record_from_json(const Json& json) {
  if (json.at("version") != kVersion) throw std::runtime_error("another version");
  BaseRecord record{.highest_serial = json.at("highest_serial").get<std::string>(), .image = std::nullopt};
  if (json.contains("image")) record.image = image_from_json(json.at("image"));
  return record;
}

}  // namespace

DownloadCache::DownloadCache(const fs::path& cache, const std::string& name, Status& status)
    : folder_(cache / "downloads"), name_(name) {
  io::make_directories(folder_, 0700);
  lock_.emplace(folder_ / (name_ + ".lock"),
                [&] { status.note(fmt::format("another imgbuild fetches '{}', waiting for it", name_)); });
}

BaseRecord DownloadCache::read_record() const {
  const fs::path path = folder_ / (name_ + ".json");
  if (!fs::exists(path)) return {};
  const std::string text = io::read_file(path, 64_KiB);
  try {
    return record_from_json(Json::parse(text));
  } catch (const std::exception&) {  // nlohmann's and our own: all mean the same
    throw Error(ExitCode::bad_input, "{}: is damaged", path.native())
        .set_hint("remove it; imgbuild then no longer knows which serial of the base was the newest it saw");
  }
}

void DownloadCache::write_record(const BaseRecord& record) const {
  Json json = {{"version", kVersion}, {"highest_serial", record.highest_serial}};
  if (record.image) json["image"] = to_json(*record.image);
  io::write_file(folder_ / (name_ + ".json"), json.dump(2) + "\n", 0600);
}

std::shared_ptr<const io::File> DownloadCache::find(const std::string& sha256, Status& status) const {
  const fs::path path = image_path(sha256);
  const fs::file_status kind = fs::symlink_status(path);
  if (!fs::exists(kind)) return nullptr;
  if (fs::is_regular_file(kind)) {
    auto file = std::make_shared<const io::File>(io::open_for_reading(path));
    if (sha256_of(*file) == sha256) return file;
  }
  status.note(fmt::format("{}: was damaged, removing it", path.native()));
  io::remove_tree(path);
  return nullptr;
}

fs::path DownloadCache::prepare_part(const std::string& sha256) const {
  const std::string part = fmt::format("{}-{}.part", name_, sha256);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string file = entry.path().filename().native();
    const bool is_part = file.ends_with(".part") || file.ends_with(".part.etag");
    if (is_part && file.starts_with(name_ + "-") && !file.starts_with(part)) io::remove_tree(entry.path());
  }
  return folder_ / part;
}

}  // namespace imgbuild
