#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "build/plan.h"
#include "util/kvm.h"

namespace imgbuild {

/// What a Vagrantfile says of one of the machines.
struct VagrantMachine {
  std::string name;
  std::string role;
  std::string box_version;   ///< of the role's catalog
  std::string ip;            ///< in the internal network
  std::string mac;           ///< of its interface there, with colons
  ByteSize memory;
  unsigned cpus = 1;
};

/// Vagrantfile of a deployment, for the providers libvirt and virtualbox: each machine with its box, its seed as a CD and its
/// interface in the internal network, whose address the seed sets. Paths are relative to it, so that the folder can be moved.
[[nodiscard]] std::string vagrantfile(const std::string& deployment, const std::vector<VagrantMachine>& machines, KvmVerdict::Works kvm);

/// Throws Error (bad input) if boxes are wanted and the firewall of the machines would not let vagrant in: it comes from the
/// host's address in libvirt's management network (192.168.121.1, vagrant-libvirt) or in VirtualBox's (10.0.2.2).
void require_vagrant_gets_in(const std::vector<Plan>& plans);

/// True if a Vagrant box is among the formats.
[[nodiscard]] bool has_boxes(const std::vector<Plan>& plans);

/// Writes Vagrantfile beside the boxes of all machines of the plans, whose catalogs it reads, and returns its path.
std::filesystem::path write_vagrantfile(const std::vector<Plan>& plans, KvmVerdict::Works kvm);

}  // namespace imgbuild
