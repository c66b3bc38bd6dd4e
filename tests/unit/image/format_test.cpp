#include "image/format.h"

#include <gtest/gtest.h>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class Format : public ::testing::Test {
 protected:
  Format() {
    const io::File file = io::create_exclusive(raw_, 0600);
    io::write_all_at(file, std::string(100'000, 'x'), 5 << 20);
    io::set_length(file, 32_MiB);
  }
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "format-test"};
  fs::path raw_ = folder_.path() / "disk.raw";
  SystemCommandRunner runner_;
};

TEST_F(Format, EveryFormatGivesTheSameBytesTwice) {
  for (const OutputFormat& format : output_formats()) {
    format.write(raw_, folder_.path() / "one", runner_);
    format.write(raw_, folder_.path() / "two", runner_);
    EXPECT_EQ(sha256_file(folder_.path() / "one"), sha256_file(folder_.path() / "two")) << format.name;
    fs::remove(folder_.path() / "one");
    fs::remove(folder_.path() / "two");
  }
}

TEST_F(Format, Qcow2HoldsTheDisk) {
  find_format("qcow2").write(raw_, folder_.path() / "disk.qcow2", runner_);
  run_checked(runner_, {.program = "qemu-img",
                        .arguments = {"convert", "-f", "qcow2", "-O", "raw", (folder_.path() / "disk.qcow2").native(), (folder_.path() / "back.raw").native()}});
  EXPECT_EQ(sha256_file(raw_), sha256_file(folder_.path() / "back.raw"));
}

TEST_F(Format, RawStaysSparse) {
  find_format("raw").write(raw_, folder_.path() / "copy.raw", runner_);
  const CommandResult result = run_checked(runner_, {.program = "du", .arguments = {"-k", (folder_.path() / "copy.raw").native()}});
  EXPECT_LT(std::stoi(result.out), 1024);
}

TEST(FindFormat, NamesTheFormatsThereAre) {
  try {
    (void)find_format("vhs");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.describe(), "unknown format 'vhs', known are qcow2, raw");
  }
}

}  // namespace
}  // namespace imgbuild
