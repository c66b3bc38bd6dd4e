#include "base/disk_format.h"

#include <nlohmann/json.hpp>

#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kInfoTime{30};

std::uint64_t big_endian(std::string_view bytes, std::size_t pos, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[pos + i]);
  return value;
}

std::uint64_t little_endian(std::string_view bytes, std::size_t pos, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[pos + i]);
  return value;
}

[[noreturn]] void refuse(const fs::path& path, const char* reason) {
  throw Error(ExitCode::bad_input, "'{}': {}", path.native(), reason)
      .set_hint("`qemu-img convert -O qcow2` on the machine it comes from makes one whole file of it");
}

/// Magic and version, then: 8 backing file name (offset, size), 32 encryption, and from version 3 on 72
/// incompatible features, of which bit 2 says that the data is in another file (QEMU's
/// docs/interop/qcow2.txt).
void check_qcow2(const fs::path& path, std::string_view head) {
  const std::uint64_t version = big_endian(head, 4, 4);
  if (version != 2 && version != 3) refuse(path, "is a qcow of another version than 2 and 3");
  if (big_endian(head, 8, 8) != 0) refuse(path, "needs a backing file");
  if (big_endian(head, 32, 4) != 0) refuse(path, "is encrypted");
  if (version == 3 && (big_endian(head, 72, 8) & 4U) != 0) refuse(path, "needs an external data file");
}

/// Magic, version, flags, then the capacity: when that is 0 QEMU reads a descriptor, which can name any file.
void check_vmdk(const fs::path& path, std::string_view head) {
  if (little_endian(head, 12, 8) == 0) refuse(path, "is a vmdk whose data is in other files");
}

}  // namespace

std::string find_disk_format(const fs::path& path) {
  if (!fs::is_regular_file(path)) throw Error(ExitCode::bad_input, "'{}': is no file", path.native());
  const io::File file = io::open_for_reading(path);
  std::string head(512, '\0');
  for (std::size_t size = 0; size < head.size();) {
    const std::size_t got = io::read(file, head.data() + size, head.size() - size);
    if (got == 0) break;
    size += got;
  }
  if (head.starts_with("QFI\xfb")) {
    check_qcow2(path, head);
    return "qcow2";
  }
  if (head.starts_with("KDMV")) {
    check_vmdk(path, head);
    return "vmdk";
  }
  if (head.starts_with("# Disk DescriptorFile") || head.starts_with("COWD")) {
    refuse(path, "is a vmdk whose data is in other files");
  }
  if (head.starts_with("vhdxfile")) return "vhdx";
  if (head.starts_with("conectix")) return "vpc";
  if (little_endian(head, 0x40, 4) == 0xbeda107fU) return "vdi";
  return "raw";
}

ByteSize find_virtual_size(const fs::path& path, const std::string& format, CommandRunner& runner) {
  // An absolute path: "json:" and "nbd:" at the start of a name are orders to QEMU.
  const Command command{.program = "qemu-img",
                        .arguments = {"info", "--output=json", "-f", format, fs::absolute(path).native()},
                        .timeout = kInfoTime};
  const CommandResult result = runner.run(command);
  if (!result.succeeded()) {
    throw Error(ExitCode::bad_input, "'{}': is no {} disk that QEMU reads", path.native(), format)
        .add_context(command_error(command, result).what());
  }
  const nlohmann::json info = nlohmann::json::parse(result.out, nullptr, false);
  if (info.is_discarded() || !info.contains("virtual-size") || !info["virtual-size"].is_number_unsigned()) {
    throw Error(ExitCode::bad_input, "'{}': `qemu-img info` does not tell its size", path.native());
  }
  if (info.contains("backing-filename") || info.contains("full-backing-filename"))
    refuse(path, "needs a backing file");
  if (info.value("encrypted", false)) refuse(path, "is encrypted");
  const ByteSize size{info["virtual-size"].get<std::uint64_t>()};
  if (size > kMaxDisk) {
    throw Error(ExitCode::bad_input, "'{}': is a disk of {}, more than {} is refused", path.native(),
                format_byte_size(size), format_byte_size(kMaxDisk));
  }
  return size;
}

}  // namespace imgbuild
