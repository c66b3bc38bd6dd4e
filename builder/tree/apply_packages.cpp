#include <algorithm>

#include "tree/apply.h"
#include "tree/apt_text.h"
#include "tree/package_store.h"
#include "util/digest.h"
#include "util/io.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Network = GuestCommand::Network;

const std::string kCache = "/var/cache/apt";
const std::string kLists = "/var/lib/apt/lists";
const std::string kConfiguration = "/imgbuild.conf";

/// apt in the tree, with lists, caches and downloads in a folder of the host that goes with this object.
class Apt {
 public:
  Apt(Guest& guest, const StepContext& context)
      : guest_(guest), store_(context.package_cache), work_(context.work, "apt"), key_(sources_key(context.proxy)) {
    // apt's download processes run as a user of their own and must be able to walk here.
    for (const char* folder : {"cache/archives/partial", "lists/partial"}) io::make_directories(work_.path() / folder, 0755);
    io::write_file(cache() / kConfiguration.substr(1), apt_configuration(context.proxy), 0644);
    store_.fetch_lists(key_, lists());
  }

  void update() {
    run(AptStage::update, {"update"}, Network::yes);
    store_.store_lists(key_, lists());
  }

  /// The package files that 'request' needs, put where apt finds them.
  std::vector<PackageFile> provide(const std::vector<std::string>& request) {
    std::vector<std::string> arguments = {"--print-uris"};
    arguments.insert(arguments.end(), request.begin(), request.end());
    const std::vector<PackageFile> files = parse_package_files(run(AptStage::select, arguments, Network::no).out);
    const std::vector<PackageFile> missing = store_.fetch(files, cache() / "archives");
    if (missing.empty()) return files;
    arguments[0] = "--download-only";
    run(AptStage::download, arguments, Network::yes);
    store_.store(missing, cache() / "archives");
    return files;
  }

  void install(const std::vector<std::string>& request, std::size_t packages, Status& status) {
    std::uint64_t done = 0;
    on_line_ = [&status, &done, packages](std::string_view line) {
      if (line.starts_with("Unpacking ") || line.starts_with("Setting up ")) {
        status.progress(std::min<std::uint64_t>(++done, 2 * packages), 2 * packages, line.substr(0, line.find(" (")));
      }
    };
    std::vector<std::string> arguments = {"--no-download"};
    arguments.insert(arguments.end(), request.begin(), request.end());
    run(AptStage::install, arguments, Network::no);
    on_line_ = {};
  }

  /// What a package manager that was disturbed leaves behind is found here.
  void check() {
    const CommandResult audit = run_checked(guest_, {.program = "dpkg", .arguments = {"--audit"}});
    if (!audit.out.empty()) throw Error(ExitCode::step_failed, "packages are not completely installed:\n{}", audit.out);
    run(AptStage::install, {"check"}, Network::no);
  }

 private:
  [[nodiscard]] fs::path cache() const { return work_.path() / "cache"; }
  [[nodiscard]] fs::path lists() const { return work_.path() / "lists"; }

  /// Lists are good for the sources they came from.
  std::string sources_key(const std::string& proxy) {
    Sha256 digest;
    digest.update_field(proxy);
    for (const char* pattern : {"/etc/apt/sources.list", "/etc/apt/sources.list.d/*"}) {
      for (const std::string& path : guest_.list(pattern)) {
        digest.update_field(path);
        digest.update_field(guest_.read_file(path));
      }
    }
    return digest.hex();
  }

  CommandResult run(AptStage stage, const std::vector<std::string>& arguments, Network network) {
    std::vector<std::string> lines;
    GuestCommand command{.program = "apt-get", .arguments = arguments, .network = network};
    command.environment = {"APT_CONFIG=" + kCache + kConfiguration};
    command.shared = {{cache(), kCache}, {lists(), kLists}};
    command.on_line = [&](std::string_view line) {
      lines.emplace_back(line);
      if (on_line_) on_line_(line);
    };
    CommandResult result = guest_.run(command);
    if (!result.succeeded()) throw apt_error(stage, lines);
    return result;
  }

  Guest& guest_;
  PackageStore store_;
  io::TemporaryDirectory work_;
  std::string key_;
  std::function<void(std::string_view)> on_line_;
};

/// "apt-get …": one run for upgrade, installation and removal, so that dpkg does everything once.
std::vector<std::string> request_of(const PackagesStep& step) {
  std::vector<std::string> request = {step.upgrade == PackagesStep::Upgrade::yes ? "dist-upgrade" : "install", "--purge",
                                      "--"};
  request.insert(request.end(), step.install.begin(), step.install.end());
  for (const std::string& name : step.remove) request.push_back(name + "-");
  return request;
}

}  // namespace

void apply(Guest& guest, const PackagesStep& step, const StepContext& context, Status& status) {
  hold_down(guest, context.stand_ins);
  Apt apt(guest, context);
  status.progress(0, 0, "updating package lists");
  apt.update();
  const std::vector<std::string> request = request_of(step);
  status.progress(0, 0, "fetching packages");
  const std::vector<PackageFile> files = apt.provide(request);
  apt.install(request, files.size(), status);
  apt.check();
  release(guest, context.stand_ins);
}

}  // namespace imgbuild
