#include "seed/template.h"

#include <fmt/format.h>

#include <array>

#include "util/io.h"
#include "util/suggest.h"
#include "util/yaml_fields.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

using Place = SeedOriginKind::Place;
using Secrecy = SeedOriginKind::Secrecy;
using yaml::Need;

constexpr std::array<SeedOriginKind, 11> kOrigins{{
    {"environment/hostname", SeedOrigin::hostname, Place::value, Secrecy::open},
    {"environment/fqdn", SeedOrigin::fqdn, Place::value, Secrecy::open},
    {"environment/timezone", SeedOrigin::timezone, Place::value, Secrecy::open},
    {"environment/ssh_authorized_keys", SeedOrigin::ssh_authorized_keys, Place::value, Secrecy::open},
    {"environment/internal_mac", SeedOrigin::internal_mac, Place::value, Secrecy::open},
    {"environment/internal_address", SeedOrigin::internal_address, Place::value, Secrecy::open},
    {"environment/view", SeedOrigin::environment_view, Place::file, Secrecy::secret},
    {"vault/tls.key", SeedOrigin::tls_key, Place::file, Secrecy::secret},
    {"vault/tls.crt", SeedOrigin::tls_certificate, Place::file, Secrecy::open},
    {"vault/ssh_host_ed25519_key", SeedOrigin::host_key, Place::value, Secrecy::secret},
    {"vault/ssh_host_ed25519_key.pub", SeedOrigin::host_public_key, Place::value, Secrecy::open},
}};

/// vault/ssh/USER: the private key of one of the template's ssh_users.
constexpr std::string_view kSshUserPrefix = "vault/ssh/";

constexpr std::array<yaml::Key, 7> kKeys{{{"version", Need::required},
                                          {"description", Need::required},
                                          {"tls", Need::optional},
                                          {"ssh_users", Need::optional},
                                          {"cloud_config", Need::required},
                                          {"network", Need::required},
                                          {"files", Need::required}}};
constexpr std::array<yaml::Key, 4> kFileKeys{
    {{"path", Need::required}, {"owner", Need::required}, {"mode", Need::required}, {"from", Need::required}}};
constexpr std::array<yaml::Key, 2> kNetworkKeys{{{"version", Need::required}, {"ethernets", Need::required}}};

/// None of these runs a command or fetches anything: what a machine does is in its image.
constexpr std::array<yaml::Key, 11> kCloudConfigKeys{{{"hostname", Need::required},
                                                      {"fqdn", Need::optional},
                                                      {"manage_etc_hosts", Need::required},
                                                      {"ssh_pwauth", Need::required},
                                                      {"disable_root", Need::required},
                                                      {"users", Need::required},
                                                      {"ssh_deletekeys", Need::optional},
                                                      {"ssh_keys", Need::optional},
                                                      {"timezone", Need::optional},
                                                      {"growpart", Need::optional},
                                                      {"resize_rootfs", Need::optional}}};

constexpr std::string_view kFrom = "from";
constexpr std::string_view kSecretMode = "0600";

bool is_mode(std::string_view text) {
  return text.size() == 4 && text[0] == '0' && text.find_first_not_of("01234567") == std::string_view::npos;
}

bool is_path(std::string_view text) {
  return text.size() > 1 && text.front() == '/' && text.back() != '/' && text.find("//") == std::string_view::npos &&
         (std::string(text) + '/').find("/../") == std::string::npos &&
         (std::string(text) + '/').find("/./") == std::string::npos;
}

bool is_owner(std::string_view text) {
  const std::size_t colon = text.find(':');
  return colon != 0 && colon != std::string_view::npos && colon + 1 < text.size() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-:") == std::string_view::npos &&
         text.find(':', colon + 1) == std::string_view::npos;
}

bool is_tls_sharing(std::string_view text) { return text == "own" || text == "shared"; }

/// An account of useradd; "host" would be taken for the machine's own key in the view.
bool is_ssh_user(std::string_view text) {
  constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
  return !text.empty() && text.size() <= 32 && kLower.find(text.front()) != std::string_view::npos && text != "host" &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

template <bool (*Holds)(std::string_view)>
std::optional<std::string> unchanged(std::string_view text) {
  return Holds(text) ? std::optional<std::string>(text) : std::nullopt;
}

constexpr yaml::TextRule kMode{"four octal digits such as \"0600\"", &unchanged<&is_mode>};
constexpr yaml::TextRule kPath{"an absolute path such as /etc/appliance/env.yml", &unchanged<&is_path>};
constexpr yaml::TextRule kTlsSharing{"own or shared", &unchanged<&is_tls_sharing>};
constexpr yaml::TextRule kSshUser{"the name of an account such as postgres, and not 'host'", &unchanged<&is_ssh_user>};
constexpr yaml::TextRule kOwner{"USER:GROUP such as root:root", &unchanged<&is_owner>};

/// 'most' is what may be at this place.
void check_placeholder(FileProblems& problems, const yaml::Node& node, Secrecy most) {
  const yaml::Node& from = node.entries.front().value;
  const std::optional<std::string> name = yaml::read_text(problems, from, "from");
  if (!name) return;
  const SeedOriginKind* kind = find_origin(*name, Place::value);
  if (!kind) {
    problems.add(from.at, fmt::format("unknown origin {}{}", shown(*name), did_you_mean(*name, origin_names(Place::value))));
  } else if (kind->secrecy > most) {
    problems.add(from.at, fmt::format("'{}' is secret and may be in ssh_keys only", *name));
  }
}

bool is_placeholder(const yaml::Node& node) {
  return node.kind == yaml::Kind::map && node.entries.size() == 1 && node.entries.front().key == kFrom;
}

void check_placeholders(FileProblems& problems, const yaml::Node& node, Secrecy most) {
  if (is_placeholder(node)) return check_placeholder(problems, node, most);
  for (const yaml::Node& item : node.items) check_placeholders(problems, item, most);
  for (const yaml::Entry& entry : node.entries) check_placeholders(problems, entry.value, most);
}

yaml::Node read_cloud_config(FileProblems& problems, const yaml::Node* node) {
  if (!node) return {};
  const yaml::Fields fields(problems, *node, "cloud_config", kCloudConfigKeys, "cloud_config: ");
  for (const yaml::Entry& entry : node->entries) {
    check_placeholders(problems, entry.value, entry.key == "ssh_keys" ? Secrecy::secret : Secrecy::open);
  }
  return *node;
}

yaml::Node read_network(FileProblems& problems, const yaml::Node* node) {
  if (!node) return {};
  const yaml::Fields fields(problems, *node, "network", kNetworkKeys, "network: ");
  (void)fields.integer("version", 2, 2);
  if (const yaml::Node* ethernets = fields.find("ethernets")) {
    (void)yaml::read_entries(problems, *ethernets, fields.where("ethernets"));
    check_placeholders(problems, *ethernets, Secrecy::open);
  }
  return *node;
}

/// The kind of what `from` names, and the user if it is one's ssh key.
struct FileOrigin {
  SeedOriginKind kind;
  std::string ssh_user;
};

std::optional<FileOrigin> read_file_origin(FileProblems& problems, const yaml::Fields& fields,
                                           const std::vector<std::string>& ssh_users) {
  const std::optional<std::string> name = fields.text("from");
  if (!name) return std::nullopt;
  if (const SeedOriginKind* kind = find_origin(*name, Place::file)) return FileOrigin{.kind = *kind, .ssh_user = {}};
  std::vector<std::string> known = origin_names(Place::file);
  for (const std::string& user : ssh_users) {
    known.push_back(std::string(kSshUserPrefix) + user);
    if (*name != known.back()) continue;
    return FileOrigin{.kind = {"vault/ssh", SeedOrigin::ssh_user_key, Place::file, Secrecy::secret}, .ssh_user = user};
  }
  problems.add(fields.find("from")->at, fmt::format("unknown origin {}{}", shown(*name), did_you_mean(*name, known)));
  return std::nullopt;
}

TlsSharing read_tls(const yaml::Fields& top) {
  const std::string word = top.text("tls", kTlsSharing).value_or("own");
  return word == "shared" ? TlsSharing::shared : TlsSharing::own;
}

std::vector<SeedFileRule> read_files(FileProblems& problems, const yaml::Fields& top,
                                     const std::vector<std::string>& ssh_users) {
  std::vector<SeedFileRule> files;
  for (const yaml::Node& node : top.list("files")) {
    const std::string title = fmt::format("file {}", files.size() + 1);
    const yaml::Fields fields(problems, node, title, kFileKeys, title + ": ");
    const std::optional<FileOrigin> origin = read_file_origin(problems, fields, ssh_users);
    files.push_back({.path = fields.text("path", kPath).value_or(""),
                     .owner = fields.text("owner", kOwner).value_or(""),
                     .mode = fields.text("mode", kMode).value_or(""),
                     .origin = origin ? origin->kind.origin : SeedOrigin::environment_view,
                     .ssh_user = origin ? origin->ssh_user : ""});
    const SeedFileRule& file = files.back();
    if (origin && origin->kind.secrecy == Secrecy::secret && !file.mode.empty() && file.mode != kSecretMode) {
      fields.problem("mode", fmt::format("must be \"{}\" for '{}', which is secret", kSecretMode, fields.find("from")->text));
    }
    for (std::size_t i = 0; i + 1 < files.size(); ++i) {
      if (!file.path.empty() && files[i].path == file.path) fields.problem("path", fmt::format("'{}' is there twice", file.path));
    }
  }
  return files;
}

}  // namespace

const SeedOriginKind* find_origin(std::string_view name, Place place) {
  for (const SeedOriginKind& kind : kOrigins) {
    if (kind.name == name && kind.place == place) return &kind;
  }
  return nullptr;
}

std::vector<std::string> origin_names(Place place) {
  std::vector<std::string> names;
  for (const SeedOriginKind& kind : kOrigins) {
    if (kind.place == place) names.emplace_back(kind.name);
  }
  return names;
}

const SeedOriginKind* placeholder(const yaml::Node& node) {
  return is_placeholder(node) ? find_origin(node.entries.front().value.text, Place::value) : nullptr;
}

SeedTemplate read_seed_template(const fs::path& file) {
  Problems problems;
  FileProblems here(file.native(), problems);
  SeedTemplate seed{.name = file.stem().native()};
  if (const std::optional<yaml::Node> root = yaml::read(io::read_file(file, 1_MiB), file.native(), problems)) {
    const yaml::Fields fields(here, *root, "the seed", kKeys);
    (void)fields.integer("version", 1, 1);
    (void)fields.text("description");
    seed.cloud_config = read_cloud_config(here, fields.find("cloud_config"));
    seed.network = read_network(here, fields.find("network"));
    seed.tls = read_tls(fields);
    seed.ssh_users = fields.texts("ssh_users", kSshUser);
    seed.files = read_files(here, fields, seed.ssh_users);
  }
  problems.throw_if_any();
  return seed;
}

}  // namespace imgbuild
