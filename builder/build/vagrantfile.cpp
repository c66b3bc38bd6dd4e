#include "build/vagrantfile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "recipe/address.h"
#include "util/error.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr const char* kHostInLibvirt = "192.168.121.1";
constexpr const char* kHostInVirtualBox = "10.0.2.2";

bool has_box(const Plan& plan, const std::string& provider) { return std::ranges::find(plan.formats, "box-" + provider) != plan.formats.end(); }

bool any_has_box(const std::vector<Plan>& plans, const std::string& provider) {
  return std::ranges::any_of(plans, [&](const Plan& plan) { return has_box(plan, provider); });
}

void require_admission(const Environment& environment, const std::string& provider, const std::string& address) {
  const IpAddress host = parse_ip(address).value();
  for (const std::string& network : environment.ops_networks) {
    if (contains(parse_cidr(network).value(), host)) return;
  }
  throw Error(ExitCode::bad_input, "{}: network: ops: lacks {}, from where vagrant comes with the provider {}", environment.file.native(),
              address, provider)
      .set_hint(fmt::format("ops: [{}/32, …]", address));
}

// The keys of the operator are those of the environment file's `ssh_authorized_keys`; vagrant puts in none of its own.
constexpr std::string_view kHead = R"(# Written by imgbuild for the deployment '@deployment@'. In this folder:
#
#   vagrant up                 starts all machines; they get ready without a hand
#   vagrant ssh NAME           needs the private half of one of `ssh_authorized_keys`: from an agent, or as IMGBUILD_SSH_KEY=FILE
#   vagrant destroy            removes machines and their disks
#
# IMGBUILD_DRIVER=kvm|qemu is libvirt's driver; without KVM a machine takes minutes to get ready.
driver = ENV.fetch("IMGBUILD_DRIVER", "@driver@")
machines = [
)";

constexpr std::string_view kTail = R"(]

Vagrant.configure("2") do |config|
  config.ssh.username = "ops"
  config.ssh.insert_key = false
  config.ssh.keys_only = false
  config.ssh.private_key_path = ENV["IMGBUILD_SSH_KEY"] if ENV["IMGBUILD_SSH_KEY"]
  config.vm.boot_timeout = 1800
  config.vm.box_check_update = false
  config.vm.allow_hosts_modification = false
  config.vm.synced_folder ".", "/vagrant", disabled: true

  machines.each do |machine|
    config.vm.define machine[:name] do |node|
      node.vm.box = "@deployment@/#{machine[:role]}"
      node.vm.box_url = "file://#{File.join(__dir__, machine[:role])}.box.json"
      node.vm.box_version = machine[:version]
      seed = File.join(__dir__, "#{machine[:name]}.seed.iso")

      # The machine sets the address of the internal network itself: it knows the interface by its MAC address.
      node.vm.provider :libvirt do |libvirt, override|
        libvirt.driver = driver
        libvirt.cpu_mode = driver == "kvm" ? "host-passthrough" : "maximum"
        libvirt.memory = machine[:memory]
        libvirt.cpus = machine[:cpus]
        libvirt.graphics_type = "none"
        libvirt.storage :file, device: :cdrom, path: seed
        override.vm.network :private_network, ip: machine[:ip], mac: machine[:mac], auto_config: false, libvirt__dhcp_enabled: false,
                            libvirt__network_name: "@deployment@-internal", libvirt__forward_mode: "veryisolated"
      end
      node.vm.provider :virtualbox do |virtualbox, override|
        virtualbox.memory = machine[:memory]
        virtualbox.cpus = machine[:cpus]
        override.vm.disk :dvd, name: "seed", file: seed
        override.vm.network :private_network, ip: machine[:ip], mac: machine[:mac].delete(":"), auto_config: false,
                            virtualbox__intnet: "@deployment@-internal"
      end
    end
  end
end
)";

/// The text with what stands between two @ replaced. Names are checked on reading, so that none has a quote.
std::string filled(std::string_view text, const std::map<std::string, std::string, std::less<>>& values) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = std::min(text.find('@', at), text.size());
    result += text.substr(at, begin - at);
    if (begin == text.size()) break;
    const std::size_t end = text.find('@', begin + 1);
    result += values.find(text.substr(begin + 1, end - begin - 1))->second;
    at = end + 1;
  }
  return result;
}

std::string line_of(const VagrantMachine& machine) {
  return fmt::format("  {{name: \"{}\", role: \"{}\", version: \"{}\", ip: \"{}\", mac: \"{}\", memory: {}, cpus: {}}},\n", machine.name, machine.role,
                     machine.box_version, machine.ip, machine.mac, machine.memory.bytes >> 20, machine.cpus);
}

std::string version_in_catalog(const fs::path& catalog) { return nlohmann::json::parse(io::read_file(catalog)).at("versions").at(0).at("version"); }

}  // namespace

std::string vagrantfile(const std::string& deployment, const std::vector<VagrantMachine>& machines, KvmVerdict::Works kvm) {
  const std::string driver = kvm == KvmVerdict::Works::yes ? "kvm" : "qemu";
  std::string text = filled(kHead, {{"deployment", deployment}, {"driver", driver}});
  for (const VagrantMachine& machine : machines) text += line_of(machine);
  return text + filled(kTail, {{"deployment", deployment}});
}

void require_vagrant_gets_in(const std::vector<Plan>& plans) {
  if (any_has_box(plans, "libvirt")) require_admission(plans.front().environment, "libvirt", kHostInLibvirt);
  if (any_has_box(plans, "virtualbox")) require_admission(plans.front().environment, "virtualbox", kHostInVirtualBox);
}

bool has_boxes(const std::vector<Plan>& plans) { return any_has_box(plans, "libvirt") || any_has_box(plans, "virtualbox"); }

fs::path write_vagrantfile(const std::vector<Plan>& plans, KvmVerdict::Works kvm) {
  std::vector<VagrantMachine> machines;
  for (const Plan& plan : plans) {
    const std::string version = version_in_catalog(plan.output / (plan.recipe.role + ".box.json"));
    for (const PlannedMachine& planned : plan.machines) {
      const Machine& machine = planned.machine;
      machines.push_back({.name = machine.name, .role = machine.role, .box_version = version, .ip = machine.private_ip,
                          .mac = internal_mac(plan.environment, machine), .memory = machine.memory.value_or(kDefaultMemory),
                          .cpus = machine.cpus.value_or(kDefaultCpus)});
    }
  }
  const fs::path path = plans.front().output / "Vagrantfile";
  io::write_file(path, vagrantfile(plans.front().environment.deployment, machines, kvm), 0644);
  return path;
}

}  // namespace imgbuild
