#include "image/format.h"

#include <algorithm>

#include "image/appliance.h"
#include "image/qcow2.h"
#include "image/raw.h"
#include "image/vhd.h"
#include "image/vhdx.h"
#include "image/vmdk.h"
#include "recipe/recipe.h"
#include "util/error.h"
#include "util/suggest.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Order = OutputFile::Order;
using enum Encoding;

/// What VMware and Azure take; the places in a VMDK are 32-bit numbers of sectors.
constexpr ByteSize kMostVmdk = 2040_GiB;
constexpr ByteSize kMostVhd = 2040_GiB;
constexpr ByteSize kMostVhdx = 65536_GiB;
constexpr ByteSize kAny = {~0ULL};

/// Where 2040 GiB and 2 TiB must not read the same. Disks are whole MiB.
std::string exact(ByteSize size) {
  const bool is_whole = size.bytes % (1_GiB).bytes == 0;
  return is_whole ? fmt::format("{} GiB", size.bytes >> 30) : fmt::format("{} MiB", size.bytes >> 20);
}

template <Qcow2Writer::Compression compression, Encoding encoding>
DiskWriter open_qcow2(const DiskToWrite& disk, const fs::path& out) {
  return make_disk_writer<Qcow2Writer>(std::make_shared<OutputFile>(out, Order::anywhere), {encoding}, disk.length, compression);
}

/// For writers that need no more than the disk's length.
template <typename Writer, Order order, Encoding... needs>
DiskWriter open_plain(const DiskToWrite& disk, const fs::path& out) {
  return make_disk_writer<Writer>(std::make_shared<OutputFile>(out, order), {needs...}, disk.length);
}

}  // namespace

const std::vector<OutputFormat>& output_formats() {
  using Compression = Qcow2Writer::Compression;
  static const std::vector<OutputFormat> formats = {
      {.name = "qcow2", .extension = "qcow2", .most_disk = kAny, .open = open_qcow2<Compression::zstd, zstd_clusters>},
      {.name = "qcow2-zlib", .extension = "zlib.qcow2", .most_disk = kAny, .open = open_qcow2<Compression::zlib, deflate_clusters>},
      {.name = "raw", .extension = "raw", .most_disk = kAny, .open = open_plain<RawWriter, Order::front_to_back>},
      {.name = "raw.zst", .extension = "raw.zst", .most_disk = kAny, .open = open_plain<RawZstWriter, Order::front_to_back, zstd_frame>},
      {.name = "vmdk", .extension = "vmdk", .most_disk = kMostVmdk, .open = open_plain<VmdkWriter, Order::front_to_back, deflate_clusters>},
      {.name = "vhd", .extension = "vhd", .most_disk = kMostVhd, .open = open_plain<VhdWriter, Order::front_to_back, digest>},
      {.name = "vhdx", .extension = "vhdx", .most_disk = kMostVhdx, .open = open_plain<VhdxWriter, Order::anywhere, digest>},
      {.name = "ova", .extension = "ova", .most_disk = kMostVmdk, .open = open_ova},
      {.name = "tar", .extension = "tar", .most_disk = kAny, .open = nullptr},
      {.name = "box-libvirt", .extension = "libvirt.box", .most_disk = kAny, .open = open_box_libvirt},
      {.name = "box-virtualbox", .extension = "virtualbox.box", .most_disk = kMostVmdk, .open = open_box_virtualbox},
  };
  return formats;
}

const OutputFormat& find_format(const std::string& name) {
  const auto& formats = output_formats();
  const auto found = std::ranges::find(formats, name, &OutputFormat::name);
  if (found != formats.end()) return *found;
  throw Error(ExitCode::bad_input, "unknown format '{}'{}", name, did_you_mean(name, known_formats()));
}

std::vector<std::string> choose_formats(const std::vector<std::string>& asked, ByteSize disk) {
  std::vector<std::string> chosen;
  for (const std::string& word : asked) {
    for (const std::string& name : formats_meant_by(word)) {
      const OutputFormat& format = find_format(name);
      if (std::ranges::find(chosen, name) != chosen.end()) throw Error(ExitCode::bad_input, "format '{}' is asked for twice", name);
      if (disk > format.most_disk) {
        throw Error(ExitCode::bad_input, "format '{}': holds disks of at most {}, this one has {}", name,
                    exact(format.most_disk), exact(disk))
            .set_hint("a smaller 'disk:' in the recipe, or another format, such as qcow2");
      }
      chosen.push_back(name);
    }
  }
  return chosen;
}

}  // namespace imgbuild
