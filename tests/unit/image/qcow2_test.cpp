#include "image/qcow2.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "util/command.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class Qcow2 : public testing::Test {
 protected:
  void put(std::uint64_t offset, const std::string& bytes) { io::write_all_at(file_, bytes, offset); }
  void set_length(std::uint64_t bytes) { io::set_length(file_, {bytes}); }
  static std::string random_bytes(std::size_t size) {
    std::mt19937_64 random(size);
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }
  /// Written, found whole by qemu-img, with the same content; returns what qemu-img says of it.
  nlohmann::json written() {
    write_qcow2(raw_, out_);
    const CommandResult check = run_checked(runner_, {.program = "qemu-img", .arguments = {"check", "--output=json", out_.native()}});
    const nlohmann::json said = nlohmann::json::parse(check.out);
    EXPECT_EQ(said.value("corruptions", 0) + said.value("leaks", 0) + said.value("check-errors", 0), 0) << check.out;
    run_checked(runner_, {.program = "qemu-img", .arguments = {"compare", "-f", "raw", "-F", "qcow2", raw_.native(), out_.native()}});
    return said;
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "qcow2-test"};
  fs::path raw_ = folder_.path() / "disk.raw";
  fs::path out_ = folder_.path() / "disk.qcow2";
  io::File file_ = io::create_exclusive(raw_, 0600);
  SystemCommandRunner runner_;
};

TEST_F(Qcow2, HoldsTextRandomBytesZerosAndHoles) {
  put(0, std::string(70'000, 'a'));                      // over a cluster's end
  put(1 << 20, random_bytes(300'000));                   // does not shrink
  put(2 << 20, std::string(200'000, '\0'));              // zeros that are no hole
  put((3 << 20) + 1, "one byte off");
  put((5 << 20) - 100, random_bytes(50) + std::string(200, 'b'));
  set_length(20 << 20);
  const nlohmann::json said = written();
  EXPECT_EQ(said.at("total-clusters"), 320);
  EXPECT_EQ(said.at("allocated-clusters"), 10);
  EXPECT_EQ(said.at("compressed-clusters"), 6);
}

TEST_F(Qcow2, MayBeEmptyOrOneSector) {
  for (const std::uint64_t length : {std::uint64_t{512}, std::uint64_t{10} << 30}) {
    set_length(length);
    EXPECT_EQ(written().value("allocated-clusters", 0), 0);
    fs::remove(out_);
  }
  set_length(512);
  put(0, std::string(512, 'x'));
  EXPECT_EQ(written().value("allocated-clusters", 0), 1);
}

TEST_F(Qcow2, HoldsMoreThanOneTableOfEachKind) {
  // An L2 table is for 512 MiB; the second has nothing.
  for (std::uint64_t i = 0; i < 1000; ++i) put(i * 65536, fmt::format("cluster {}", i));
  put((3ULL << 29) - 10, "0123456789");
  set_length(3ULL << 29);
  (void)written();
}

TEST_F(Qcow2, IsTheSameEachTime) {
  put(0, random_bytes(3'000'000) + std::string(5'000'000, 'z'));
  set_length(32 << 20);
  write_qcow2(raw_, out_);
  const std::string first = sha256_file(out_);
  fs::remove(out_);
  write_qcow2(raw_, out_);
  EXPECT_EQ(first, sha256_file(out_));
}

}  // namespace
}  // namespace imgbuild
