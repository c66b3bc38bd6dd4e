#include "inspect/open_disk.h"

#include "base/disk_format.h"
#include "util/error.h"
#include "util/read_at.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::minutes kReadingTime{60};

/// A fixed VHD is the bytes of the disk with a footer behind them.
bool has_vhd_footer(const fs::path& disk) {
  const std::uint64_t size = fs::file_size(disk);
  return size > 512 && io::read_at(io::open_for_reading(disk), 8, size - 512) == "conectix";
}

std::string format_of(const fs::path& disk) {
  const std::string format = find_disk_format(disk);
  return format == "raw" && has_vhd_footer(disk) ? "vpc" : format;
}

}  // namespace

OpenDisk::OpenDisk(const fs::path& disk, const DiskReading& reading, CommandRunner& runner, Status& status)
    : work_(reading.work, "disk"), format_(format_of(disk)) {
  const ByteSize size = find_virtual_size(disk, format_, runner);
  if (size.bytes == 0) throw Error(ExitCode::bad_input, "'{}': is empty", disk.native());
  appliance_ = std::make_unique<Guestfs>(std::vector<GuestfsDrive>{{.path = fs::absolute(disk), .format = format_}},
                                         GuestfsOptions{.work = work_.path(), .acceleration = reading.acceleration}, status);
  appliance_->set_deadline(kReadingTime);
}

std::string OpenDisk::read(std::uint64_t offset, std::size_t size) { return appliance_->read_device("/dev/sda", offset, size); }

}  // namespace imgbuild
