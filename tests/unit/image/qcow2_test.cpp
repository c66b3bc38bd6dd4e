#include <nlohmann/json.hpp>

#include "unit/image/sample_disk.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class Qcow2 : public SampleDisk, public testing::WithParamInterface<std::string> {
 protected:
  /// Written, found whole by qemu-img, with the same content; returns what qemu-img says of it.
  nlohmann::json written() {
    const fs::path file = write(GetParam());
    const CommandResult check = run_checked(runner_, {.program = "qemu-img", .arguments = {"check", "--output=json", file.native()}});
    const nlohmann::json said = nlohmann::json::parse(check.out);
    EXPECT_EQ(said.value("corruptions", 0) + said.value("leaks", 0) + said.value("check-errors", 0), 0) << check.out;
    run_checked(runner_, {.program = "qemu-img", .arguments = {"compare", "-f", "raw", "-F", "qcow2", raw_.native(), file.native()}});
    return said;
  }
};

TEST_P(Qcow2, CompressesWhatShrinksAndLeavesOutZeros) {
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

TEST_P(Qcow2, MayBeEmptyOrOneSector) {
  for (const std::uint64_t length : {std::uint64_t{512}, std::uint64_t{10} << 30}) {
    set_length(length);
    EXPECT_EQ(written().value("allocated-clusters", 0), 0);
    fs::remove(out("disk"));
  }
  set_length(512);
  put(0, std::string(512, 'x'));
  EXPECT_EQ(written().value("allocated-clusters", 0), 1);
}

TEST_P(Qcow2, HoldsMoreThanOneTableOfEachKind) {
  // An L2 table is for 512 MiB; the second has nothing.
  for (std::uint64_t i = 0; i < 1000; ++i) put(i * 65536, fmt::format("cluster {}", i));
  put((3ULL << 29) - 10, "0123456789");
  set_length(3ULL << 29);
  (void)written();
}

TEST_P(Qcow2, SaysHowItIsCompressed) {
  put_samples();
  const std::string file = write(GetParam()).native();
  const CommandResult info = run_checked(runner_, {.program = "qemu-img", .arguments = {"info", "--output=json", file}});
  const nlohmann::json data = nlohmann::json::parse(info.out).at("format-specific").at("data");
  EXPECT_EQ(data.at("compression-type"), GetParam() == "qcow2" ? "zstd" : "zlib");
  EXPECT_EQ(data.at("corrupt"), false);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Qcow2, testing::Values("qcow2", "qcow2-zlib"),
                         [](const auto& kind) { return kind.param == "qcow2" ? std::string("zstd") : std::string("zlib"); });

}  // namespace
}  // namespace imgbuild
