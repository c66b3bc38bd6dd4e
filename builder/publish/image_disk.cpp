#include "publish/image_disk.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "util/error.h"
#include "util/gpt.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr const char* kEsp = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
constexpr const char* kBiosBoot = "21686148-6449-6E6F-744E-656564454649";

std::string first_bytes(const fs::path& path, std::size_t size) {
  const io::File file = io::open_for_reading(path);
  std::string bytes(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const std::size_t count = io::read(file, bytes.data() + have, size - have);
    if (count == 0) break;
    have += count;
  }
  bytes.resize(have);
  return bytes;
}

bool is_qcow2(std::string_view head) { return head.starts_with("QFI\xfb"); }

/// A disk that names another file would have that one uploaded.
void require_alone(const fs::path& image, CommandRunner& runner) {
  const CommandResult said = run_checked(runner, {.program = "qemu-img", .arguments = {"info", "--output=json", "-f", "qcow2", image.native()}});
  const nlohmann::json info = nlohmann::json::parse(said.out, nullptr, false);
  const bool has_data_file = info.is_object() && info.contains("/format-specific/data/data-file"_json_pointer);
  if (!info.is_object() || info.contains("backing-filename") || has_data_file) {
    throw Error(ExitCode::bad_input, "{}: needs another file (a backing or data file)", image.native())
        .set_hint("qemu-img convert makes one whole disk of both");
  }
}

std::string boot_mode_of(std::string_view head, const fs::path& path) {
  const bool has_boot_code = std::any_of(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(kBootCodeSize), [](char c) { return c != 0; });
  if (head.size() < kGptHeadSectors * kSectorSize || head.substr(kSectorSize, 8) != "EFI PART") return "legacy-bios";
  const DiskLayout layout = read_gpt(head, fs::file_size(path) / kSectorSize, path.native());
  const auto has = [&](const char* type) { return std::ranges::any_of(layout.partitions, [&](const Partition& p) { return p.type == type; }); };
  if (has(kEsp)) return has(kBiosBoot) && has_boot_code ? "uefi-preferred" : "uefi";
  return "legacy-bios";
}

}  // namespace

ImageDisk::ImageDisk(const fs::path& image, const fs::path& work, CommandRunner& runner, Status& status)
    : image_(image), raw_(image), work_(work) {
  std::string head = first_bytes(image, kGptHeadSectors * kSectorSize);
  if (is_qcow2(head)) {
    require_alone(image, runner);
    status.begin("unpacking " + image.filename().native());
    folder_.emplace(work, "upload");
    raw_ = folder_->path() / "disk.raw";
    (void)run_checked(runner, {.program = "qemu-img", .arguments = {"convert", "-f", "qcow2", "-O", "raw", "-W", "-m", "4", image.native(), raw_.native()}});
    head = first_bytes(raw_, kGptHeadSectors * kSectorSize);
    status.end("");
  }
  if (head.size() < kSectorSize || head.substr(kSectorSize - 2, 2) != "\x55\xaa") {
    throw Error(ExitCode::bad_input, "{}: is no disk image that EC2 starts: neither qcow2, nor raw with a partition table", image.native())
        .set_hint("imgbuild recipe writes qcow2 and raw (--format); qemu-img convert -O qcow2 makes one of others");
  }
  boot_mode_ = boot_mode_of(head, raw_);
}

fs::path ImageDisk::make_vmdk(CommandRunner& runner, Status& status) {
  if (!folder_) folder_.emplace(work_, "upload");
  const fs::path vmdk = folder_->path() / "disk.vmdk";
  status.begin("packing for S3");
  (void)run_checked(runner, {.program = "qemu-img", .arguments = {"convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw_.native(), vmdk.native()}});
  status.end(format_byte_size({fs::file_size(vmdk)}));
  return vmdk;
}

}  // namespace imgbuild
