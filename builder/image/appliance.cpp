#include "image/appliance.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "image/ovf.h"
#include "image/qcow2.h"
#include "image/tarred_disk.h"
#include "image/vmdk.h"
#include "util/size.h"

namespace imgbuild {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// What both providers have in common: the account of the seed, and its key. The machine has its own time and gets no folder.
constexpr const char* kVagrantfile = R"(Vagrant.configure("2") do |config|
  config.ssh.username = "ops"
  config.ssh.insert_key = false
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.vm.boot_timeout = 600
)";

constexpr const char* kLibvirt = R"(  config.vm.provider :libvirt do |libvirt|
    libvirt.cpus = 2
    libvirt.memory = 2048
    libvirt.disk_bus = "virtio"
    libvirt.nic_model_type = "virtio"
  end
end
)";

constexpr const char* kVirtualBox = R"(  config.vm.base_mac = "0800271D0B01"
  config.vm.provider :virtualbox do |virtualbox|
    virtualbox.cpus = 2
    virtualbox.memory = 2048
    virtualbox.default_nic_type = "virtio"
    virtualbox.check_guest_additions = false
    virtualbox.functional_vboxsf = false
  end
end
)";

std::shared_ptr<OutputFile> open_archive(const fs::path& out) {
  return std::make_shared<OutputFile>(out, OutputFile::Order::anywhere);
}

}  // namespace

DiskWriter open_ova(const DiskToWrite& disk, const fs::path& out) {
  const std::string disk_file = disk.name + "-disk1.vmdk";
  const auto texts = [disk, disk_file](const DiskInTar& written) -> std::vector<TarText> {
    const std::string descriptor = ovf({.name = disk.name, .systems = "vmx-10 virtualbox-2.2", .network_card = "VmxNet3",
                                        .capacity = disk.length, .disk_file = disk_file, .disk_size = written.size});
    const std::string digests = fmt::format("SHA256({}.ovf)= {}\nSHA256({})= {}\n", disk.name, sha256(descriptor), disk_file,
                                            written.digest);
    return {{.name = disk.name + ".ovf", .text = descriptor}, {.name = disk.name + ".mf", .text = digests}};
  };
  return make_disk_writer<TarredDisk<VmdkWriter>>(open_archive(out), {Encoding::deflate_clusters}, texts, disk_file, disk.length);
}

DiskWriter open_box_libvirt(const DiskToWrite& disk, const fs::path& out) {
  const Json metadata = {{"provider", "libvirt"}, {"format", "qcow2"}, {"virtual_size", divide_up(disk.length, (1_GiB).bytes)}};
  const auto texts = [metadata](const DiskInTar&) -> std::vector<TarText> {
    return {{.name = "metadata.json", .text = metadata.dump() + "\n"},
            {.name = "Vagrantfile", .text = std::string(kVagrantfile) + kLibvirt}};
  };
  return make_disk_writer<TarredDisk<Qcow2Writer>>(open_archive(out), {Encoding::zstd_clusters}, texts, std::string("box.img"),
                                                   disk.length, Qcow2Writer::Compression::zstd);
}

DiskWriter open_box_virtualbox(const DiskToWrite& disk, const fs::path& out) {
  const std::string disk_file = "box-disk1.vmdk";
  const auto texts = [disk, disk_file](const DiskInTar& written) -> std::vector<TarText> {
    return {{.name = "metadata.json", .text = Json{{"provider", "virtualbox"}}.dump() + "\n"},
            {.name = "Vagrantfile", .text = std::string(kVagrantfile) + kVirtualBox},
            {.name = "box.ovf", .text = ovf({.name = disk.name, .systems = "virtualbox-2.2", .network_card = "virtio",
                                             .capacity = disk.length, .disk_file = disk_file, .disk_size = written.size})}};
  };
  return make_disk_writer<TarredDisk<VmdkWriter>>(open_archive(out), {Encoding::deflate_clusters}, texts, disk_file, disk.length);
}

}  // namespace imgbuild
