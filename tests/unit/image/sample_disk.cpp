#include "unit/image/sample_disk.h"

#include <map>

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Where the disk is in an archive, and what it is there.
struct Place {
  std::string member;
  std::string driver;
};

const std::map<std::string, Place> kPlaces = {
    {"qcow2", {"", "qcow2"}}, {"qcow2-zlib", {"", "qcow2"}}, {"raw", {"", "raw"}},
    {"vmdk", {"", "vmdk"}},   {"vhd", {"", "vpc"}},          {"vhdx", {"", "vhdx"}},
    {"ova", {"web-disk1.vmdk", "vmdk"}}, {"box-libvirt", {"box.img", "qcow2"}}, {"box-virtualbox", {"box-disk1.vmdk", "vmdk"}}};

}  // namespace

std::string SampleDisk::convert(const std::string& driver, const fs::path& file) {
  if (driver != "raw" && driver != "vpc") {  // the two have nothing that could be checked
    run_checked(runner_, {.program = "qemu-img", .arguments = {"check", "-q", "-f", driver, file.native()}});
  }
  run_checked(runner_, {.program = "qemu-img", .arguments = {"convert", "-f", driver, "-O", "raw", file.native(), out("back").native()}});
  std::string content = io::read_file(out("back"), 256_MiB);
  fs::remove(out("back"));
  return content;
}

fs::path SampleDisk::unpack(const fs::path& archive, const std::string& member) {
  run_checked(runner_, {.program = "tar", .arguments = {"-C", folder_.path().native(), "-xf", archive.native(), "--warning=all", member}});
  return folder_.path() / member;
}

std::string SampleDisk::content_of(const std::string& format, const fs::path& file) {
  if (format == "raw.zst") return run_checked(runner_, {.program = "zstd", .arguments = {"-dc", "--", file.native()}}).out;
  const Place& place = kPlaces.at(format);
  std::string content = convert(place.driver, place.member.empty() ? file : unpack(file, place.member));
  const std::size_t length = fs::file_size(raw_);
  const bool ends_in_zeros = content.size() > length && content.find_first_not_of('\0', length) == std::string::npos;
  if (ends_in_zeros) content.resize(length);
  return content;
}

}  // namespace imgbuild
