#include <nlohmann/json.hpp>

#include "unit/image/sample_disk.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class Vmdk : public SampleDisk {};

TEST_F(Vmdk, IsStreamOptimizedForOthers) {
  put_samples();
  const std::string file = write("vmdk", "disk.vmdk").native();
  const CommandResult info = run_checked(runner_, {.program = "qemu-img", .arguments = {"info", "--output=json", file}});
  const nlohmann::json said = nlohmann::json::parse(info.out);
  EXPECT_EQ(said.at("format"), "vmdk");
  EXPECT_EQ(said.at("virtual-size"), (100 << 20) + 1536);
  const nlohmann::json data = said.at("format-specific").at("data");
  EXPECT_EQ(data.at("create-type"), "streamOptimized");
  EXPECT_EQ(data.at("extents").at(0).at("compressed"), true);
  EXPECT_EQ(data.at("extents").at(0).at("cluster-size"), 65536);
}

TEST_F(Vmdk, LeavesOutGrainsOfZeros) {
  set_length(64 << 20);
  // A header, a descriptor up to sector 128, then marker and directory, marker and header, the end.
  EXPECT_EQ(fs::file_size(write("vmdk")), (128 + 2 + 2 + 1) * 512U);
}

TEST_F(Vmdk, HoldsMoreThanOneTableAndTablesWithoutAnything) {
  // A grain table is for 32 MiB.
  for (std::uint64_t i = 0; i < 600; ++i) put(i * 65536, fmt::format("grain {}", i));
  put((3ULL << 30) - 10, "0123456789");
  set_length(3ULL << 30);
  write("vmdk");
  run_checked(runner_, {.program = "qemu-img", .arguments = {"check", "-f", "vmdk", out("disk").native()}});
  run_checked(runner_, {.program = "qemu-img", .arguments = {"compare", "-f", "raw", "-F", "vmdk", raw_.native(), out("disk").native()}});
}

TEST_F(Vmdk, IsAtMostThreePercentLargerThanThatOfQemu) {
  std::string text;  // shrinks as text does
  for (int i = 0; text.size() < (8 << 20); ++i) text += fmt::format("line {} of a text with numbers such as {}\n", i, i * 7919 % 100003);
  put(0, text);
  set_length(16 << 20);
  run_checked(runner_, {.program = "qemu-img",
                        .arguments = {"convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw_.native(),
                                      out("qemu").native()}});
  EXPECT_LT(fs::file_size(write("vmdk")), fs::file_size(out("qemu")) * 103 / 100);
}

}  // namespace
}  // namespace imgbuild
