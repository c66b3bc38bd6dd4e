#include "image/format.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

#include <clocale>
#include <cstdlib>
#include <ctime>

#include "complaint.h"
#include "unit/image/sample_disk.h"
#include "util/digest.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

std::vector<std::string> disk_formats() {
  std::vector<std::string> names;
  for (const OutputFormat& format : output_formats()) {
    if (format.open != nullptr) names.push_back(format.name);
  }
  return names;
}

class EveryFormat : public SampleDisk, public testing::WithParamInterface<std::string> {};

TEST_P(EveryFormat, HoldsTheDiskAndNoOther) {
  put_samples();
  EXPECT_TRUE(content_of(GetParam(), write(GetParam())) == raw_content());
}

TEST_P(EveryFormat, HoldsADiskOfZeros) {
  set_length(3 << 20);
  EXPECT_TRUE(content_of(GetParam(), write(GetParam())) == raw_content());
}

TEST_P(EveryFormat, HoldsADiskWithAnOddEnd) {
  put((2 << 20) + 512, random_bytes(1024));
  EXPECT_TRUE(content_of(GetParam(), write(GetParam())) == raw_content());
}

TEST_P(EveryFormat, ReportsTheDigestOfTheFile) {
  put_samples();
  const std::vector<std::string> digests = write_formats(raw_, "web", {{.format = GetParam(), .out = out("one")}});
  EXPECT_EQ(digests, std::vector{sha256_file(out("one"))});
}

TEST_P(EveryFormat, DoesNotDependOnHoles) {
  put_samples();
  const std::string first = sha256_file(write(GetParam()));
  fs::remove(out("disk"));
  fill_holes();
  EXPECT_EQ(sha256_file(write(GetParam())), first);
}

TEST_P(EveryFormat, LeavesNothingWhereTheDiskIsGone) {
  const fs::path target = out("disk");
  EXPECT_EQ(complaint_of([&] { (void)write_formats(out("none"), "web", {{.format = GetParam(), .out = target}}); }),
            "cannot read '" + out("none").native() + "': No such file or directory");
  EXPECT_EQ(entries(), std::vector<std::string>{"disk.raw"});
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryFormat, testing::ValuesIn(disk_formats()), [](const auto& format) {
  std::string name = format.param;
  std::ranges::replace_if(name, [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
});

class Formats : public SampleDisk {
 protected:
  /// All of them in one pass; their digests.
  std::vector<std::string> write_all(const std::string& suffix) {
    std::vector<FormatRequest> requests;
    for (const std::string& name : disk_formats()) requests.push_back({.format = name, .out = out(name + suffix)});
    return write_formats(raw_, "web", requests);
  }
};

TEST_F(Formats, OfOnePassAreAsWrittenAlone) {
  put_samples();
  const std::vector<std::string> together = write_all(".all");
  std::vector<std::string> alone;
  for (const std::string& name : disk_formats()) alone.push_back(sha256_file(write(name, name)));
  EXPECT_EQ(together, alone);
}

/// Another time zone, language, mask and number of processors, for as long as it lives.
class OtherSurroundings {
 public:
  OtherSurroundings() : mask_(::umask(0077)) {
    ::setenv("TZ", "Pacific/Chatham", 1);
    ::tzset();
    (void)std::setlocale(LC_ALL, "C");
    ::sched_getaffinity(0, sizeof all_, &all_);
    cpu_set_t one = {};
    CPU_SET(::sched_getcpu(), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  ~OtherSurroundings() {
    ::sched_setaffinity(0, sizeof all_, &all_);
    ::unsetenv("TZ");
    ::tzset();
    ::umask(mask_);
  }
  OtherSurroundings(const OtherSurroundings&) = delete;
  OtherSurroundings& operator=(const OtherSurroundings&) = delete;

 private:
  mode_t mask_;
  cpu_set_t all_ = {};
};

TEST_F(Formats, DoNotDependOnSurroundings) {
  put_samples();
  const std::vector<std::string> here = write_all(".here");
  const OtherSurroundings elsewhere;
  EXPECT_EQ(write_all(".there"), here);
  EXPECT_EQ(fs::status(out("vmdk.there")).permissions(), fs::perms(0644));
}

TEST_F(Formats, AppearAllOrNone) {
  put_samples();
  fs::create_directory(out("taken"));
  fs::create_directory(out("taken") / "by a folder");
  const std::string text = complaint_of([&] {
    (void)write_formats(raw_, "web", {{.format = "vmdk", .out = out("disk.vmdk")}, {.format = "raw", .out = out("taken")}});
  });
  EXPECT_EQ(text, "cannot rename to '" + out("taken").native() + "': Is a directory");
  EXPECT_EQ(entries(), (std::vector<std::string>{"disk.raw", "taken"}));
}

TEST_F(Formats, OfRawStaySparse) {
  put(5 << 20, std::string(100'000, 'x'));
  set_length(32 << 20);
  const CommandResult result = run_checked(runner_, {.program = "du", .arguments = {"-k", write("raw").native()}});
  EXPECT_LT(std::stoi(result.out), 1024);
}

std::vector<std::string> chosen(const std::vector<std::string>& asked, ByteSize disk = 10_GiB) { return choose_formats(asked, disk); }

TEST(ChooseFormats, KeepsTheOrderAndKnowsWordsForSeveral) {
  EXPECT_EQ(chosen({"vmdk", "vagrant", "qcow2"}), (std::vector<std::string>{"vmdk", "box-libvirt", "box-virtualbox", "qcow2"}));
}

TEST(ChooseFormats, SuggestsForUnknownOnes) {
  EXPECT_EQ(complaint_of([] { (void)chosen({"vhs"}); }), "unknown format 'vhs', did you mean 'vhd'?");
  EXPECT_EQ(complaint_of([] { (void)chosen({"floppy"}); }),
            "unknown format 'floppy', known are 'qcow2', 'qcow2-zlib', 'raw', 'raw.zst', 'vmdk', 'vhd', 'vhdx', 'ova', 'tar', "
            "'box-libvirt', 'box-virtualbox', 'vagrant'");
}

TEST(ChooseFormats, RefusesOnesThatAreThereTwice) {
  EXPECT_EQ(complaint_of([] { (void)chosen({"qcow2", "qcow2"}); }), "format 'qcow2' is asked for twice");
  EXPECT_EQ(complaint_of([] { (void)chosen({"vagrant", "box-libvirt"}); }), "format 'box-libvirt' is asked for twice");
}

TEST(ChooseFormats, RefusesDisksThatDoNotFit) {
  const std::string hint = "\nhint: a smaller 'disk:' in the recipe, or another format, such as qcow2";
  for (const std::string format : {"vmdk", "vhd", "ova", "box-virtualbox"}) {
    EXPECT_EQ(complaint_of([&] { (void)chosen({format}, 2041_GiB); }),
              "format '" + format + "': holds disks of at most 2040 GiB, this one has 2041 GiB" + hint);
    EXPECT_EQ(chosen({format}, 2040_GiB), std::vector{format});
  }
  EXPECT_EQ(complaint_of([] { (void)chosen({"vhd"}, {(2040_GiB).bytes + (1_MiB).bytes}); }),
            "format 'vhd': holds disks of at most 2040 GiB, this one has 2088961 MiB" + hint);
}

}  // namespace
}  // namespace imgbuild
