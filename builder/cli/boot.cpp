#include "boot/boot.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "boot/boot_disk.h"
#include "build/cache.h"
#include "build/manifest.h"
#include "build/outputs.h"
#include "cli/commands.h"
#include "cli/deployment_options.h"
#include "recipe/read.h"
#include "seed/view.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/suggest.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

struct BootOptions {
  std::vector<std::string> what;  ///< an image, or machines of --env
  fs::path environment;
  fs::path output_root;
  std::optional<fs::path> seed;
  std::optional<std::string> format;
  std::optional<fs::path> disk;
  std::optional<fs::path> console;
  std::optional<fs::path> ssh_config;
  std::optional<std::string> memory;
  std::optional<unsigned> cpus;
  std::optional<std::string> timeout;
  Accelerator accelerator = Accelerator::automatic;
  Firmware firmware = Firmware::bios;
  enum class Keep { no, yes } keep = Keep::no;
};

const std::map<std::string, Accelerator> kAccelerators = {
    {"auto", Accelerator::automatic}, {"kvm", Accelerator::kvm}, {"tcg", Accelerator::tcg}};
const std::map<Accelerator, std::string> kAcceleratorNames = {{Accelerator::kvm, "kvm"},
                                                              {Accelerator::tcg, "tcg"}};

template <typename Value>
Value parsed(std::optional<Value> (*parse)(std::string_view), const std::string& option,
             const std::string& text, const char* example) {
  if (const std::optional<Value> value = parse(text)) return *value;
  throw Error(ExitCode::usage, "{}: '{}' can't be read, write it as '{}'", option, text, example);
}

/// What the options say of every machine.
void apply_options(const BootOptions& options, int machines, BootRequest& request) {
  if (options.memory) request.memory = parsed(&parse_byte_size, "--memory", *options.memory, "2 GiB");
  if (options.timeout) {  // meant as said, emulated or not
    request.timeout = parsed(&parse_duration, "--timeout", *options.timeout, "300 s");
    request.emulated_factor = 1;
  } else {
    request.emulated_factor *= machines;  // emulated, they share the processors of this host
  }
  if (options.cpus) request.cpus = *options.cpus;
  request.disk = options.disk;
  request.accelerator = options.accelerator;
  request.firmware = options.firmware;
  if (options.keep == BootOptions::Keep::yes) request.reboot = QemuMachineSpec::Reboot::allowed;
}

BootRequest image_request(const BootOptions& options) {
  const fs::path image = options.what.front();
  BootRequest request = {.name = image.stem(), .image = image};
  request.format = options.format ? *options.format : format_by_name(image);
  request.seed = options.seed;
  return request;
}

/// Formats that QEMU starts a machine from, the best first, and its own names for them.
constexpr std::array<std::pair<const char*, const char*>, 6> kBootable = {
    {{"qcow2", "qcow2"}, {"raw", "raw"}, {"qcow2-zlib", "qcow2"}, {"vhdx", "vhdx"}, {"vhd", "vpc"}, {"vmdk", "vmdk"}}};

/// The disk of the role that QEMU starts best; its format is QEMU's name.
ManifestArtifact bootable_artifact(const BootOptions& options, const fs::path& folder, const std::string& role) {
  const std::string command = fmt::format("imgbuild recipe {} --env {}", role, options.environment.native());
  const std::optional<Manifest> manifest = find_manifest(manifest_path(folder, role));
  if (!manifest) throw Error(ExitCode::bad_input, "{}: there is no image of '{}'", folder.native(), role).set_hint(command);
  for (const auto& [format, driver] : kBootable) {
    for (ManifestArtifact artifact : manifest->artifacts) {
      if (artifact.format != format) continue;
      artifact.format = driver;
      return artifact;
    }
  }
  throw Error(ExitCode::bad_input, "{}: the image of '{}' is there, but in no format that QEMU starts", folder.native(), role)
      .set_hint(command + " --format qcow2");
}

const Machine& chosen_machine(const Environment& environment, const std::string& name) {
  std::vector<std::string> names;
  for (const Machine& machine : environment.machines) names.push_back(machine.name);
  const Machine* machine = find_machine(environment, name);
  if (machine == nullptr) {
    throw Error(ExitCode::bad_input, "{}: there is no machine '{}'{}", environment.file.native(), name,
                did_you_mean(name, names));
  }
  if (machine->external == Machine::External::no) return *machine;
  throw Error(ExitCode::bad_input, "{}: machine '{}' is external: somebody else has its image",
              environment.file.native(), name);
}

/// The address that QEMU's user network gives. A machine that is to have another needs a second card for it.
constexpr const char* kUserNetworkAddress = "10.0.2.15";

/// The segment of a deployment: the same for all runs with its file by this user, so that machines started one by one meet.
SharedSegment segment_of(const Environment& environment, const Machine& machine) {
  const std::string digest = sha256(fmt::format("segment {} {}", ::getuid(), fs::absolute(environment.file).native()));
  const auto number = [&](std::size_t at, std::size_t digits) { return std::stoi(digest.substr(at, digits), nullptr, 16); };
  return {.group = fmt::format("239.{}.{}.{}", 192 + number(0, 1) % 4, number(1, 2), number(3, 2)),
          .port = 20000 + number(5, 3),
          .mac = internal_mac(environment, machine)};
}

BootRequest machine_request(const BootOptions& options, const Environment& environment, const fs::path& folder,
                            const Machine& machine) {
  const ManifestArtifact artifact = bootable_artifact(options, folder, machine.role);
  BootRequest request = {.name = machine.name, .image = folder / artifact.file, .format = artifact.format};
  request.seed = seed_path(folder, machine.name);
  request.disk_size = machine.disk;
  if (machine.memory) request.memory = *machine.memory;
  if (machine.cpus) request.cpus = *machine.cpus;
  if (machine.private_ip != kUserNetworkAddress) request.segment = segment_of(environment, machine);
  return request;
}

std::vector<BootRequest> deployment_requests(const BootOptions& options) {
  const Project project = find_project();
  Problems problems;
  const Environment environment = read_environment(project, options.environment, problems);
  problems.throw_if_any();
  const fs::path folder = output_root_or_default(project, options.output_root) / environment.deployment;
  std::vector<std::string> names = options.what;
  for (const Machine& machine : environment.machines) {
    if (options.what.empty() && machine.external == Machine::External::no) names.push_back(machine.name);
  }
  std::vector<BootRequest> requests;
  for (const std::string& name : names) {
    const Machine& machine = chosen_machine(environment, name);
    BootRequest request = machine_request(options, environment, folder, machine);
    request.timeout = read_recipe(project, machine.role, problems).ready_timeout;
    problems.throw_if_any();
    requests.push_back(std::move(request));
  }
  return requests;
}

std::string to_json(const ReadyMachine& ready, const BootRequest& request) {
  nlohmann::json stages = nlohmann::json::array();
  const auto seconds = [](std::chrono::milliseconds time) {
    return static_cast<double>(time.count()) / 1000;
  };
  for (const BootStage& stage : ready.stages)
    stages.push_back({{"stage", stage.name}, {"began", seconds(stage.began)}});
  return nlohmann::json{{"name", ready.name},
                        {"role", ready.role},
                        {"plan", ready.plan},
                        {"seconds", seconds(ready.took)},
                        {"ssh_port", ready.ports.at(22)},
                        {"http_port", ready.ports.at(80)},
                        {"https_port", ready.ports.at(443)},
                        {"accelerator", kAcceleratorNames.at(ready.accelerator)},
                        {"stages", stages},
                        {"console", request.console_log.native()}}
      .dump();
}

void print_ready(Session& session, const ReadyMachine& ready, const BootRequest& request,
                 BootOptions::Keep keep) {
  if (session.output == Session::Output::json) return session.print(to_json(ready, request));
  session.print(fmt::format("{}: {} is ready after {}, plan {}", ready.name, ready.role,
                            format_duration(ready.took), ready.plan));
  if (keep == BootOptions::Keep::no) return;
  session.print(fmt::format("  https://127.0.0.1:{}/", ready.ports.at(443)));
  session.print(fmt::format("  ssh -p {} ops@127.0.0.1", ready.ports.at(22)));
  session.print(fmt::format("  console: {}", request.console_log.native()));
}

/// A machine that failed and goes on running, for a look at it.
void print_failed(Session& session, const BootRequest& request, int ssh_port) {
  if (session.output == Session::Output::json) {
    return session.print(nlohmann::json{{"name", request.name}, {"failed", true}, {"ssh_port", ssh_port}, {"console", request.console_log.native()}}.dump());
  }
  session.print(fmt::format("{}: failed, and goes on running\n  ssh -p {} {}@127.0.0.1\n  console: {}", request.name, ssh_port, kOpsUser,
                            request.console_log.native()));
}

/// A host of ssh's configuration for each machine, under its name; host keys are checked under that name too.
std::string ssh_config(const std::vector<ReadyMachine>& machines) {
  std::string text = "# Written by imgbuild boot: ssh -F FILE NAME\n";
  for (const ReadyMachine& machine : machines) {
    text += fmt::format("Host {}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  HostKeyAlias {}\n", machine.name, machine.ports.at(22),
                        kOpsUser, machine.name);
  }
  return text;
}

/// All at once, for they may wait for one another.
void run_machines(Session& session, const std::vector<BootRequest>& requests, const BootOptions& options) {
  std::vector<std::unique_ptr<Boot>> machines;
  std::vector<Boot*> running;
  for (const BootRequest& request : requests) {
    machines.push_back(std::make_unique<Boot>(request, session.runner(), session.status()));
    running.push_back(machines.back().get());
  }
  std::vector<ReadyMachine> ready;
  std::optional<Error> failure;
  const auto on_ready = [&](std::size_t place, const ReadyMachine& machine) {
    print_ready(session, machine, requests[place], options.keep);
    ready.push_back(machine);
  };
  const auto on_failure = [&](std::size_t place, const Error& error) {
    if (options.keep == BootOptions::Keep::no || !running[place]->is_running()) throw error;
    failure = error;
    session.status().note(error.describe());
    print_failed(session, requests[place], running[place]->ports().at(22));
  };
  wait_until_ready(running, {.on_ready = on_ready, .on_failure = on_failure});
  if (options.ssh_config) io::write_file(*options.ssh_config, ssh_config(ready), 0644);
  if (options.keep == BootOptions::Keep::yes) {
    session.status().note(requests.size() == 1 ? "the machine runs until you press Ctrl-C" : "the machines run until you press Ctrl-C");
    const auto again = [&](const ReadyMachine& machine) {
      const auto place = std::ranges::find(requests, machine.name, &BootRequest::name);
      print_ready(session, machine, place == requests.end() ? requests.front() : *place, options.keep);
    };
    for (const MachineEnd& end : keep_running(running, again)) session.status().note(end.text);
  }
  for (Boot* machine : running) (void)machine->stop();  // how it ended was asked for or said
  if (failure) throw Error(ExitCode::not_ready, "not every machine got ready").set_hint("what each said is above");
}

void run(Session& session, const BootOptions& options) {
  const bool has_environment = !options.environment.empty();
  if (!has_environment && options.what.size() != 1) {
    throw Error(ExitCode::usage, "boot: name one image, or an environment with --env");
  }
  if (has_environment && (options.seed || options.format)) {
    throw Error(ExitCode::usage, "boot: --seed and --format go with an image, not with --env");
  }
  std::vector<BootRequest> requests =
      has_environment ? deployment_requests(options) : std::vector{image_request(options)};
  if ((options.disk || options.console) && requests.size() > 1) {
    throw Error(ExitCode::usage, "boot: --disk and --console are for one machine, here are {}", requests.size())
        .set_hint("name the machine");
  }
  const Cache cache = open_cache();
  for (BootRequest& request : requests) {
    apply_options(options, static_cast<int>(requests.size()), request);
    request.cache = cache.root;
    request.console_log =
        options.console ? *options.console : cache.root / "consoles" / (request.name + ".log");
  }
  run_machines(session, requests, options);
}

}  // namespace

void add_boot_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<BootOptions>();
  CLI::App* command =
      app.add_subcommand("boot", "Run an image in QEMU until it is ready; the image stays as it is");
  command->add_option("what", options->what,
                      "Disk image, or with --env machines (default: all of them)");
  command->add_option("--env", options->environment,
                      "Environment file: its machines, from its output folder");
  command->add_option("-o,--output", options->output_root, "With --env: folder of the deployment's folder");
  command->add_option("--seed", options->seed, "Seed (ISO) of the machine");
  command->add_option("--format", options->format, "Format of the image (default: by its name)")
      ->check(CLI::IsMember({"qcow2", "raw", "vmdk", "vdi", "vhdx"}));
  command->add_option("--disk", options->disk,
                      "Keep what the machine writes in this file; go on with it if it is there");
  command->add_option("--console", options->console, "File for the console's text (default: in the cache)");
  command->add_option("--ssh-config", options->ssh_config, "Write a configuration for 'ssh -F FILE MACHINE' once all are ready");
  command->add_option("--memory", options->memory, "Memory, such as '2 GiB'");
  command->add_option("--cpus", options->cpus, "Processors")->check(CLI::Range(1, 64));
  command->add_option("--timeout", options->timeout,
                      "Until ready, such as '300 s' (default: the recipe's, tripled without KVM)");
  command->add_option("--accelerator", options->accelerator, "auto, kvm or tcg (emulation)")
      ->transform(CLI::CheckedTransformer(kAccelerators).description("auto|kvm|tcg"));
  command->add_flag_callback(
      "--uefi", [options] { options->firmware = Firmware::uefi; }, "Start with UEFI instead of BIOS");
  command->add_flag_callback(
      "--keep", [options] { options->keep = BootOptions::Keep::yes; },
      "Let it run until Ctrl-C, even if it fails, and say how to reach it");
  command->callback([options, &session] { run(session, *options); });
}

}  // namespace imgbuild
