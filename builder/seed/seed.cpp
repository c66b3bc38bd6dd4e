#include "seed/seed.h"

#include <utility>

#include "util/digest.h"
#include "util/error.h"
#include "util/io.h"
#include "util/iso_image.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

constexpr const char* kVolumeId = "cidata";  // the label that cloud-init's NoCloud looks for
constexpr const char* kUserData = "user-data";
constexpr const char* kMetaData = "meta-data";
constexpr const char* kNetworkConfig = "network-config";
constexpr const char* kHeader = "#cloud-config\n";
constexpr std::size_t kDigestLength = 12;  // hex digits: 48 bits tell apart the seeds of one machine

/// A tree whose texts are overwritten when it goes.
class SecretTree {
 public:
  explicit SecretTree(yaml::Node root) : root_(std::move(root)) {}
  ~SecretTree() { wipe(root_); }
  SecretTree(const SecretTree&) = delete;
  SecretTree& operator=(const SecretTree&) = delete;

  [[nodiscard]] yaml::Node& root() { return root_; }
  [[nodiscard]] Secret text() const { return Secret(yaml::emit(root_)); }

 private:
  static void wipe(yaml::Node& node) {
    cleanse(node.text);
    for (yaml::Node& item : node.items) wipe(item);
    for (yaml::Entry& entry : node.entries) wipe(entry.value);
  }

  yaml::Node root_;
};

std::string fqdn_of(const SeedInput& input) {
  return fmt::format("{}.{}", input.machine.name, input.environment.domain);
}

yaml::Node value_of(SeedOrigin origin, const SeedInput& input) {
  switch (origin) {
    case SeedOrigin::hostname:
      return yaml::string(input.machine.name);
    case SeedOrigin::fqdn:
      return yaml::string(fqdn_of(input));
    case SeedOrigin::timezone:
      return yaml::string(input.environment.timezone);
    case SeedOrigin::ssh_authorized_keys:
      return yaml::strings(input.environment.ssh_authorized_keys);
    case SeedOrigin::internal_mac:
      return yaml::string(internal_mac(input.environment, input.machine));
    case SeedOrigin::internal_address:
      return yaml::string(internal_address(input.environment, input.machine));
    case SeedOrigin::host_key:
      return yaml::string(input.host_key.private_key.reveal());
    case SeedOrigin::host_public_key:
      return yaml::string(input.host_key.public_key);
    case SeedOrigin::environment_view:
    case SeedOrigin::tls_key:
    case SeedOrigin::tls_certificate:
    case SeedOrigin::ssh_user_key:
      break;
  }
  throw Error(ExitCode::step_failed, "a whole file was asked for as a value of the seed");
}

/// Puts values in the place of `{from: ORIGIN}`.
void fill_in(yaml::Node& node, const SeedInput& input) {
  if (const SeedOriginKind* kind = placeholder(node)) {
    node = value_of(kind->origin, input);
    return;
  }
  for (yaml::Node& item : node.items) fill_in(item, input);
  for (yaml::Entry& entry : node.entries) fill_in(entry.value, input);
}

/// A file's content; nothing if the machine makes it itself.
std::optional<Secret> content_of(const SeedFileRule& file, const SeedInput& input, const Secret& view) {
  switch (file.origin) {
    case SeedOrigin::environment_view:
      return view;
    case SeedOrigin::tls_key:
      return input.tls ? std::optional<Secret>(input.tls->key) : std::nullopt;
    case SeedOrigin::tls_certificate:
      return input.tls ? std::optional<Secret>(Secret(input.tls->certificate)) : std::nullopt;
    case SeedOrigin::ssh_user_key:
      return input.user_keys.at(file.ssh_user).private_key;
    case SeedOrigin::hostname:
    case SeedOrigin::fqdn:
    case SeedOrigin::timezone:
    case SeedOrigin::ssh_authorized_keys:
    case SeedOrigin::internal_mac:
    case SeedOrigin::internal_address:
    case SeedOrigin::host_key:
    case SeedOrigin::host_public_key:
      break;
  }
  throw Error(ExitCode::step_failed, "a value was asked for as a whole file of the seed");
}

/// base64 whatever it is: cloud-init prints a file's text in some of its complaints.
yaml::Node file_node(const SeedFileRule& file, const Secret& content) {
  return yaml::map({{"path", yaml::string(file.path)},
                    {"owner", yaml::string(file.owner)},
                    {"permissions", yaml::string(file.mode)},
                    {"encoding", yaml::string("b64")},
                    {"content", yaml::string(to_base64(content.reveal()))}});
}

Secret user_data(const SeedTemplate& seed, const SeedInput& input, const std::string& instance) {
  const Secret view = SecretTree(environment_view(input, seed.name, instance)).text();
  SecretTree config(seed.cloud_config);
  fill_in(config.root(), input);
  yaml::set(config.root(), "write_files", yaml::list({}));
  std::vector<yaml::Node>& files = config.root().entries.back().value.items;
  for (const SeedFileRule& file : seed.files) {
    if (const std::optional<Secret> content = content_of(file, input, view)) {
      files.push_back(file_node(file, *content));
    }
  }
  const Secret text = config.text();
  return Secret(kHeader + text.reveal());
}

/// The instance-id is part of the content, so the digest is over the content with an empty one.
std::string make_instance_id(const SeedTemplate& seed, const SeedInput& input, const std::string& network_config) {
  Sha256 hash;
  hash.update_field(user_data(seed, input, "").reveal());
  hash.update_field(network_config);
  return fmt::format("{}-{}", input.machine.name, hash.hex().substr(0, kDigestLength));
}

const Secret& content_named(const IsoContent& image, const char* name, const fs::path& path) {
  for (const IsoFile& file : image.files) {
    if (file.name == name) return file.content;
  }
  throw Error(ExitCode::bad_input, "{}: is no seed: it holds no '{}'", path.native(), name);
}

}  // namespace

SeedFiles make_seed(const SeedTemplate& seed, const SeedInput& input) {
  if (input.machine.external == Machine::External::yes) {
    throw Error(ExitCode::bad_input, "machine '{}' is external: its own people make its seed", input.machine.name);
  }
  yaml::Node network = seed.network;
  fill_in(network, input);
  SeedFiles files{.network_config = yaml::emit(network)};
  const std::string instance = make_instance_id(seed, input, files.network_config);
  files.user_data = user_data(seed, input, instance);
  files.meta_data = yaml::emit(
      yaml::map({{"instance-id", yaml::string(instance)}, {"local-hostname", yaml::string(input.machine.name)}}));
  return files;
}

void write_seed(const fs::path& path, const SeedFiles& files) {
  const Secret image = make_iso_image({.volume_id = kVolumeId,
                                       .files = {{.name = kMetaData, .content = Secret(files.meta_data)},
                                                 {.name = kNetworkConfig, .content = Secret(files.network_config)},
                                                 {.name = kUserData, .content = files.user_data}}});
  io::write_file(path, image.reveal(), 0600);
}

SeedFiles read_seed(const fs::path& path) {
  const IsoContent image = read_iso_image(path);
  if (image.volume_id != kVolumeId) {
    throw Error(ExitCode::bad_input, "{}: is no seed: its volume id is '{}', not '{}'", path.native(), image.volume_id,
                kVolumeId);
  }
  return {.user_data = content_named(image, kUserData, path),
          .meta_data = content_named(image, kMetaData, path).reveal(),
          .network_config = content_named(image, kNetworkConfig, path).reveal()};
}

std::string instance_id(const SeedFiles& files) {
  const yaml::Node meta_data = yaml::read_or_throw(files.meta_data, kMetaData);
  const yaml::Node* id = yaml::find(meta_data, "instance-id");
  if (!id || id->kind != yaml::Kind::scalar) throw Error(ExitCode::bad_input, "{}: holds no instance-id", kMetaData);
  return id->text;
}

}  // namespace imgbuild
