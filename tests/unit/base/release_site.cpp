#include "unit/base/release_site.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "util/command.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace {

namespace fs = std::filesystem;

/// The server, started on first use and ended with the program.
class Server {
 public:
  Server()
      : folder_(testing::TempDir(), "server"),
        process_({.program = "/usr/bin/python3",
                  .arguments = {IMGBUILD_SOURCE_DIR "/tests/base_server.py", folder_.path().native()}},
                 nullptr) {
    const fs::path port = folder_.path() / "port";
    while (!fs::exists(port)) {  // it makes its certificate first
      if (process_.poll()) throw std::runtime_error("tests/base_server.py ended at its start");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    url_ = "https://127.0.0.1:" + io::read_file(port) + "/";
  }
  [[nodiscard]] const fs::path& folder() const { return folder_.path(); }
  [[nodiscard]] const std::string& url() const { return url_; }

 private:
  io::TemporaryDirectory folder_;
  Process process_;
  std::string url_;
};

const Server& server() {
  static const Server running;
  return running;
}

std::string test_name() { return testing::UnitTest::GetInstance()->current_test_info()->name(); }

}  // namespace

ReleaseSite::ReleaseSite()
    : folder_(server().folder() / test_name()),
      url_(server().url() + test_name() + "/"),
      cache_(testing::TempDir(), "cache") {
  source = {.name = "test",
            .base_url = url_,
            .key = public_key(TestKey::good),
            .index_path = kIndexPath,
            .content_id = "com.example:released",
            .product = "com.example:server:1:amd64",
            .architecture = "amd64",
            .item = "disk1.img"};
  options.cache = cache_.path();
  options.ca_file = server().folder() / "ca.pem";
  options.stall_timeout = std::chrono::seconds(1);
  options.retry_delay = std::chrono::milliseconds(1);
}

std::string ReleaseSite::image(const std::string& serial) {
  return "server/release-" + serial + "/disk-amd64.img";
}
std::string ReleaseSite::sums(const std::string& serial) {
  return "server/release-" + serial + "/SHA256SUMS";
}

std::string ReleaseSite::content(const std::string& serial) {
  std::string bytes;
  for (int block = 0; bytes.size() < 200'000; ++block)
    bytes += imgbuild::sha256(fmt::format("{} {}", serial, block));
  return bytes.substr(0, 200'000);
}

void ReleaseSite::write(const std::string& path, const std::string& bytes) const {
  io::make_directories((folder_ / path).parent_path(), 0755);
  io::write_file(folder_ / path, bytes, 0644);
}

void ReleaseSite::publish(const Published& published) {
  const std::string bytes = published.content.empty() ? content(published.serial) : published.content;
  const std::string digest = imgbuild::sha256(bytes);
  write(image(published.serial), bytes);
  write(sums(published.serial),
        digest + " *disk-amd64.img\n" + imgbuild::sha256("other") + " *disk-arm64.img\n");
  versions_ += fmt::format(
      R"({}"{}": {{"label": "{}", "items": {{"disk1.img": {{"ftype": "disk1.img", "path": "{}", "sha256": "{}", "size": {}}}}}}})",
      versions_.empty() ? "" : ", ", published.serial, published.label, image(published.serial), digest,
      bytes.size());
  serials_.push_back(published.serial);
}

void ReleaseSite::sign(const Signing& signing) {
  const std::string index =
      R"({"format": "products:1.0", "content_id": "com.example:released", "products": {"com.example:server:1:amd64": )"
      R"({"arch": "amd64", "versions": {)" +
      versions_ + "}}}}\n";
  write(kIndexPath, clear_sign(index, signing));
  for (const std::string& serial : serials_)
    write(sums(serial) + ".gpg", detach_sign(read(sums(serial)), signing));
}

void ReleaseSite::publish_signed(const Published& published) {
  publish(published);
  sign();
}

void ReleaseSite::treat(const std::string& path, const std::string& how) const { write(path + ".how", how); }
void ReleaseSite::treat_well(const std::string& path) const { io::remove_file(folder_ / (path + ".how")); }

std::vector<Request> ReleaseSite::requests(const std::string& path) const {
  std::vector<Request> found;
  const fs::path log = server().folder() / "requests.jsonl";
  if (!fs::exists(log)) return found;
  const std::string text = io::read_file(log);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const nlohmann::json line = nlohmann::json::parse(text.substr(at, end - at));
    if (line["path"] == "/" + test_name() + "/" + path)
      found.push_back({path, line["range"], line["if_range"], line["sent"]});
    at = end + 1;
  }
  return found;
}

std::string ReleaseSite::shortened(std::string message) const {
  for (std::size_t at; (at = message.find(url_)) != std::string::npos;)
    message.replace(at, url_.size(), "SITE/");
  return message;
}

std::string ReleaseSite::fetch_serial() {
  try {
    const VerifiedDisk disk = fetch_disk();
    EXPECT_EQ(sha256_file(disk.path), disk.sha256);
    return disk.serial;
  } catch (const Error& error) {
    return shortened(error.describe());
  }
}

std::string ReleaseSite::refusal(ExitCode code) {
  std::string message = "accepted";
  try {
    (void)fetch_disk();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    message = shortened(error.describe());
  }
  std::vector<std::string> left = downloads();
  std::erase(left, "test.json");  // which holds the highest serial seen
  EXPECT_EQ(left, std::vector<std::string>());
  EXPECT_TRUE(!fs::exists(options.cache / "work") || fs::is_empty(options.cache / "work"));
  return message;
}

std::vector<std::string> ReleaseSite::downloads() const {
  std::vector<std::string> names;
  if (!fs::exists(options.cache / "downloads")) return names;
  for (const auto& entry : fs::directory_iterator(options.cache / "downloads"))
    names.push_back(entry.path().filename());
  std::erase_if(names, [](const std::string& name) { return name.ends_with(".lock"); });
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace imgbuild
