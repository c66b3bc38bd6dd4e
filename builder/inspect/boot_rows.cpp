#include "inspect/boot_rows.h"

#include <fnmatch.h>

#include <algorithm>
#include <string_view>

namespace imgbuild {
namespace {

using enum Effect;

constexpr BootRow kRows[] = {
    // systemd and the kernel
    {"/", "d", rewrite, "its time: mount points are made and go"},
    {"/etc/machine-id", "f", rewrite, "made at first boot"},
    {"/var/lib/dbus/machine-id", "l", make, "leads to the other"},
    {"/var/lib/systemd/**", "fd", make, "random seed, timers, credentials, clock"},
    {"/var/lib/private/**", "fd", make, "state of services with dynamic users"},
    {"/var/lib/private", "d", make, "state of services with dynamic users"},
    {"/var/log/**", "fdl", make, "logs and the journal"},
    {"/var/tmp/**", "fdl", make, "temporary"},
    {"/tmp/**", "fdl", make, "temporary"},
    {"/etc/.updated", "f", make, "stamp of systemd-update-done"},
    {"/var/.updated", "f", make, "stamp of systemd-update-done"},
    {"/etc/.pwd.lock", "f", make, "there once a user was made"},
    {"/etc/hostname", "f", make, "the seed says the name"},
    {"/etc/hosts", "f", rewrite, "computed from the environment"},
    {"/etc/resolv.conf", "fl", make, "name servers"},
    {"/etc/localtime", "fl", make, "time zone of the environment"},
    {"/etc/timezone", "f", make, "time zone of the environment"},
    {"/etc/adjtime", "f", make, "hardware clock"},
    // accounts of the seed and of the role
    {"/etc/passwd", "f", rewrite, "accounts of the seed and of the role"},
    {"/etc/group", "f", rewrite, "accounts of the seed and of the role"},
    {"/etc/shadow", "f", rewrite, "accounts of the seed and of the role"},
    {"/etc/gshadow", "f", rewrite, "accounts of the seed and of the role"},
    {"/etc/subuid", "f", rewrite, "accounts of the seed"},
    {"/etc/subgid", "f", rewrite, "accounts of the seed"},
    {"/etc/passwd-", "f", make, "the state before the last account"},
    {"/etc/group-", "f", make, "the state before the last account"},
    {"/etc/shadow-", "f", make, "the state before the last account"},
    {"/etc/gshadow-", "f", make, "the state before the last account"},
    {"/etc/subuid-", "f", make, "the state before the last account"},
    {"/etc/subgid-", "f", make, "the state before the last account"},
    {"/home/**", "fdl", make, "homes of accounts"},
    {"/root/.ssh/**", "fd", make, "cloud-init tells root to log in as another"},
    {"/root/.ssh", "d", make, "cloud-init tells root to log in as another"},
    {"/etc/sudoers.d/90-cloud-init-users", "f", make, "accounts of the seed"},
    {"/etc/sudoers.d", "d", replace, "cloud-init closes it to others"},
    // cloud-init
    {"/var/lib/cloud", "d", make, "what cloud-init did"},
    {"/var/lib/cloud/**", "fdl", make, "what cloud-init did"},
    {"/etc/cloud/cloud-init.disabled", "f", make, "closed after the first boot"},
    {"/etc/netplan/50-cloud-init.yaml", "f", make, "network of the seed"},
    {"/etc/systemd/network/10-cloud-init-*", "f", make, "network of the seed"},
    {"/etc/network/interfaces.d/50-cloud-init", "f", make, "network of the seed"},
    {"/etc/udev/rules.d/70-persistent-net.rules", "f", make, "names of network cards"},
    {"/etc/ssh/sshd_config.d/50-cloud-init.conf", "f", make, "log in by key only, as the seed says"},
    {"/etc/locale.conf", "fl", make, "cloud-init writes the locale"},
    {"/etc/default/locale", "f", make, "cloud-init writes the locale"},
    {"/etc/ssh/ssh_host_*_key", "f", make, "host keys of the seed"},
    {"/etc/ssh/ssh_host_*_key.pub", "f", make, "host keys of the seed"},
    // the appliance: overlays/README.md
    {"/etc/appliance/**", "fdl", make, "the environment, and what is rendered of it"},
    {"/etc/appliance", "d", make, "closed to others"},
    {"/srv/**", "fdl", make, "certificates, peers, data"},
    {"/var/lib/appliance/**", "fdl", make, "its records"},
    {"/var/lib/appliance", "d", make, "its records"},
    {"/var/lib/eopeers/**", "fdl", make, "packages of peers"},
    {"/var/lib/eopeers", "d", make, "packages of peers"},
    {"/etc/nginx/nginx.conf", "f", make, "rendered from the environment"},
    {"/etc/nftables.conf", "f", make, "rendered from the environment"},
    {"/etc/memcached.conf", "f", make, "rendered from the environment"},
    {"/etc/repmgr.conf", "f", make, "rendered from the environment"},
    {"/etc/eoconf.json", "f", make, "rendered from the environment"},
    {"/etc/eopeers", "l", make, "rendered from the environment"},
    {"/etc/sudoers.d/appliance-web", "f", make, "rendered from the environment"},
    {"/etc/ssh/ssh_known_hosts", "f", make, "rendered from the environment"},
    {"/etc/ssh/sshd_config.d/11-appliance-keys.conf", "f", make, "rendered from the environment"},
    {"/etc/ssh/authorized_keys.d", "d", make, "rendered from the environment"},
    {"/etc/ssh/authorized_keys.d/*", "f", make, "rendered from the environment"},
    {"/etc/systemd/system/appliance-datastore.timer.d", "d", make, "rendered from the environment"},
    {"/etc/systemd/system/appliance-datastore.timer.d/interval.conf", "f", make, "rendered from the environment"},
    // services
    {"/etc/postgresql/**", "fdl", make, "the cluster, made at first boot"},
    {"/var/lib/postgresql/**", "fdl", make, "its data"},
    {"/var/postgres_backups/**", "fd", make, "backups"},
    {"/var/postgres_backups", "d", make, "backups"},
    {"/etc/apt/apt.conf.d/02autoremove-postgresql", "f", rewrite, "postgresql-common adds the cluster's packages"},
    {"/var/lib/chrony/**", "f", make, "drift of the clock"},
    {"/var/lib/dhcp/**", "f", make, "leases"},
    {"/var/lib/dhcpcd/**", "f", make, "leases"},
    {"/var/lib/nginx/**", "fd", make, "temporary files of requests"},
    {"/var/lib/logrotate/**", "f", make, "when logs were rotated"},
    {"/var/lib/sudo/**", "fd", make, "who was lectured"},
    {"/var/cache/**", "fdl", make, "caches"},
    {"/var/spool/**", "fdl", make, "queues"},
    {"/var/mail/**", "f", make, "mail"},
};

bool matches(const BootRow& row, const std::string& path) {
  const std::string_view pattern = row.pattern;
  if (!pattern.ends_with("/**")) return ::fnmatch(row.pattern, path.c_str(), FNM_PATHNAME) == 0;
  const std::string_view folder = pattern.substr(0, pattern.size() - 2);  // with its slash
  return path.size() > folder.size() && path.starts_with(folder);
}

bool is_allowed_type(const BootRow& row, const TreeRecord* record) {
  return record == nullptr || std::string_view(row.types).find(record->type) != std::string_view::npos;
}

/// A file whose program gets rights that who runs it has not.
bool gives_rights(const TreeRecord& record) {
  return record.type == 'f' && ((record.mode & 06000U) != 0 || record.attributes.find("security.capability=") != std::string::npos);
}

bool allows(Effect effect, const TreeRecord* expected, const TreeRecord* found) {
  if (expected == nullptr) return effect == make;
  if (found == nullptr) return effect != rewrite;
  if (effect != rewrite) return true;
  return expected->type == found->type && expected->mode == found->mode && expected->uid == found->uid && expected->gid == found->gid &&
         expected->attributes == found->attributes;
}

}  // namespace

std::span<const BootRow> boot_rows() { return kRows; }

bool may_become(const TreeRecord* expected, const TreeRecord* found) {
  if (found != nullptr && gives_rights(*found)) return false;
  const std::string& path = (expected != nullptr ? expected : found)->path;
  return std::ranges::any_of(boot_rows(), [&](const BootRow& row) {
    return matches(row, path) && is_allowed_type(row, expected) && is_allowed_type(row, found) && allows(row.effect, expected, found);
  });
}

}  // namespace imgbuild
