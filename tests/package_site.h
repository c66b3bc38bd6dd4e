#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include "tree/package_lock.h"
#include "util/command.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {

/// A small web site with packages on loopback, over plain HTTP as mirrors are, which misbehaves as told (base_server.py).
class PackageSite {
 public:
  PackageSite()
      : folder_(testing::TempDir(), "site"),
        process_({.program = "/usr/bin/python3",
                  .arguments = {IMGBUILD_SOURCE_DIR "/tests/base_server.py", folder_.path().native(), "plain"}},
                 nullptr) {
    const std::filesystem::path port = folder_.path() / "port";
    while (!std::filesystem::exists(port)) {
      if (process_.poll()) throw std::runtime_error("tests/base_server.py ended at its start");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    url_ = "http://127.0.0.1:" + io::read_file(port) + "/";
  }

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  [[nodiscard]] const std::string& url() const { return url_; }

  /// Serves 'content' as a package file.
  [[nodiscard]] LockedPackage publish(const std::string& name, const std::string& content) const {
    const std::string file = name + "_1_all.deb";
    io::write_file(folder() / file, content, 0644);
    return {.name = name, .version = "1", .architecture = "all", .file = file, .uri = url_ + file,
            .sha256 = sha256(content), .size = content.size()};
  }

  /// A JSON object for base_server.py.
  void misbehave(const std::string& file, const std::string& how) const { io::write_file(folder() / (file + ".how"), how, 0644); }

  /// How often the file was asked for.
  [[nodiscard]] std::size_t requests(const std::string& file) const {
    const std::filesystem::path log = folder() / "requests.jsonl";
    if (!std::filesystem::exists(log)) return 0;
    const std::string text = io::read_file(log);
    const std::string wanted = "\"path\": \"/" + file + "\"";
    std::size_t count = 0;
    for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) ++count;
    return count;
  }

  void stop() { process_.terminate(std::chrono::seconds(2)); }

 private:
  io::TemporaryDirectory folder_;
  Process process_;
  std::string url_;
};

}  // namespace imgbuild
