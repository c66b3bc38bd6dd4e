#include <nlohmann/json.hpp>

#include "image/vhd.h"
#include "unit/image/sample_disk.h"
#include "util/digest.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class Vhd : public SampleDisk {
 protected:
  nlohmann::json info(const std::string& driver, const fs::path& file) {
    return nlohmann::json::parse(
        run_checked(runner_, {.program = "qemu-img", .arguments = {"info", "--output=json", "-f", driver, file.native()}}).out);
  }
  std::string footer(const fs::path& file) {
    const std::string bytes = io::read_file(file, 256_MiB);
    return bytes.substr(bytes.size() - 512);
  }
};

std::uint64_t big_endian(const std::string& bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

TEST_F(Vhd, IsPaddedToWholeMiBBeforeItsFooter) {
  put_samples();  // a little over 100 MiB
  const fs::path file = write("vhd");
  EXPECT_EQ(fs::file_size(file), (101 << 20) + 512U);
  EXPECT_EQ(info("vpc", file).at("virtual-size"), 101 << 20);
}

TEST_F(Vhd, HasAFooterAsTheSpecificationSays) {
  put(0, "x");
  set_length(10 << 20);
  const std::string bytes = footer(write("vhd"));
  EXPECT_EQ(bytes.substr(0, 8), "conectix");
  EXPECT_EQ(big_endian(bytes, 48, 8), 10U << 20);
  EXPECT_EQ(big_endian(bytes, 60, 4), 2U);  // fixed
  // 20480 sectors: 17 a track, 4 heads, 301 cylinders.
  EXPECT_EQ(big_endian(bytes, 56, 2), 301U);
  EXPECT_EQ(big_endian(bytes, 58, 1), 4U);
  EXPECT_EQ(big_endian(bytes, 59, 1), 17U);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 512; ++i) sum += i >= 64 && i < 68 ? 0 : static_cast<unsigned char>(bytes[i]);
  EXPECT_EQ(big_endian(bytes, 64, 4), static_cast<std::uint32_t>(~sum));
}

/// Sizes around those where the specification's appendix takes other numbers of sectors and heads.
TEST_F(Vhd, HasTheGeometryOfTheSpecification) {
  struct Row {
    std::uint64_t mib;
    const char* geometry;  // cylinders, heads, sectors
  };
  for (const auto& [mib, geometry] : {Row{1, "001e0411"}, Row{33, "03e10411"}, Row{34, "008c101f"}, Row{137, "0235101f"}, Row{248, "01f7103f"},
                                      Row{504, "0400103f"}, Row{8000, "3f7d103f"}, Row{40000, "4e6e10ff"}, Row{131072, "ffff10ff"}}) {
    EXPECT_EQ(to_hex(vhd_footer(mib << 20, std::string(16, 'x')).substr(56, 4)), geometry) << mib;
  }
}

TEST_F(Vhd, HasAnIdentifierOfItsContent) {
  put(0, "x");
  set_length(10 << 20);
  const std::string first = footer(write("vhd", "one"));
  put(5 << 20, "y");
  const std::string second = footer(write("vhd", "two"));
  EXPECT_NE(first.substr(68, 16), second.substr(68, 16));
  EXPECT_EQ(first.substr(0, 64), second.substr(0, 64));
}

class Vhdx : public Vhd {};

TEST_F(Vhdx, HoldsOnlyBlocksWithData) {
  put(7 << 20, "x");
  set_length(4096ULL << 20);
  const fs::path file = write("vhdx");
  EXPECT_EQ(fs::file_size(file), (3 + 1 + 1) << 20);
  EXPECT_EQ(info("vhdx", file).at("virtual-size"), 4096ULL << 20);
}

TEST_F(Vhdx, HoldsBlocksAfterTheTablesOfAChunk) {
  put((4096ULL << 20) - 512, std::string(1024, 'x'));  // in the last block of the first chunk and the first of the second
  set_length(4098ULL << 20);
  const fs::path file = write("vhdx");
  run_checked(runner_, {.program = "qemu-img", .arguments = {"check", "-f", "vhdx", file.native()}});
  const CommandResult read = run_checked(
      runner_, {.program = "qemu-io",
                .arguments = {"-r", "-f", "vhdx", "-c", "read -P 0x78 4294966784 1024", "-c", "read -P 0 4294967808 1M", file.native()}});
  EXPECT_EQ(read.out.find("failed"), std::string::npos) << read.out;
  EXPECT_NE(read.out.find("read 1024/1024 bytes at offset 4294966784"), std::string::npos) << read.out;
}

}  // namespace
}  // namespace imgbuild
