#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "image/format.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild {

/// A small raw disk, and programs of others that read what is made of it.
class SampleDisk : public testing::Test {
 protected:
  void put(std::uint64_t offset, const std::string& bytes) { io::write_all_at(file_, bytes, offset); }
  void set_length(std::uint64_t bytes) { io::set_length(file_, {bytes}); }

  static std::string random_bytes(std::size_t size) {
    std::mt19937_64 random(size);
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }

  /// Text, random bytes, zeros that are no hole, holes, pieces and clusters in part; over 32 MiB, what one table of a VMDK is for.
  void put_samples() {
    put(0, std::string(70'000, 'a'));
    put(1 << 20, random_bytes(300'000));
    put(2 << 20, std::string(200'000, '\0'));
    put((3 << 20) + 1, "one byte off");
    put((5 << 20) - 100, random_bytes(50) + std::string(200, 'b'));
    put(40 << 20, random_bytes(100) + std::string(3 << 20, 'c'));
    set_length((100 << 20) + 1536);
  }

  /// Zeros where there were holes.
  void fill_holes() {
    std::string content = raw_content();
    put(0, content);
  }

  [[nodiscard]] std::filesystem::path out(const std::string& name) const { return folder_.path() / name; }
  std::filesystem::path write(const std::string& format, const std::string& name = "disk") {
    (void)write_formats(raw_, "web", {{.format = format, .out = out(name)}});
    return out(name);
  }
  [[nodiscard]] std::string raw_content() const { return io::read_file(raw_, 256_MiB); }

  /// What others find in it, cut to the length of the raw disk if it is longer by zeros only.
  std::string content_of(const std::string& format, const std::filesystem::path& file);
  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

  io::TemporaryDirectory folder_{std::filesystem::temp_directory_path(), "format-test"};
  std::filesystem::path raw_ = folder_.path() / "disk.raw";
  io::File file_ = io::create_exclusive(raw_, 0600);
  SystemCommandRunner runner_;

 private:
  std::string convert(const std::string& driver, const std::filesystem::path& file);
  std::filesystem::path unpack(const std::filesystem::path& archive, const std::string& member);
};

}  // namespace imgbuild
