#include "tree/generalize.h"

namespace imgbuild {
namespace {

using enum Treatment;

constexpr GeneralizeRow kRows[] = {
    // One per machine
    {"/etc/machine-id", write, "", "systemd makes one at first boot if it is empty"},
    {"/var/lib/dbus/machine-id", link, "/etc/machine-id", "the same identity in a second place"},
    {"/etc/hostname", write, "localhost\n", "the seed says the name; bootstrap leaves the build host's"},
    {"/etc/ssh/ssh_host_*", remove, nullptr, "host keys come with the seed"},
    {"/etc/ssl/private/ssl-cert-snakeoil.key", remove, nullptr, "a private key that all clones would share"},
    {"/etc/ssl/certs/ssl-cert-snakeoil.pem", remove, nullptr, "its certificate"},
    {"/etc/ssl/certs", dangling, nullptr, "the hash link of that certificate"},
    {"/etc/postgresql/*/*", remove, nullptr, "clusters have a system identifier; made at first boot"},
    {"/var/lib/postgresql/*/*", remove, nullptr, "their data"},
    {"/var/lib/systemd/random-seed", remove, nullptr, "random numbers must not repeat"},
    {"/var/lib/urandom/random-seed", remove, nullptr, "random numbers must not repeat"},
    {"/var/lib/systemd/credential.secret", remove, nullptr, "a secret key of the machine"},
    {"/etc/nvme/host*", remove, nullptr, "identity towards storage"},
    {"/var/lib/cloud/*", remove, nullptr, "cloud-init would think it had run"},
    {"/etc/netplan/50-cloud-init.yaml", remove, nullptr, "network of the machine the base came from"},
    {"/etc/sudoers.d/90-cloud-init-users", remove, nullptr, "users of the machine the base came from"},
    {"/etc/udev/rules.d/70-persistent-net.rules", remove, nullptr, "network cards of that machine"},
    {"/root/.ssh/authorized_keys", remove, nullptr, "keys come with the seed"},
    {"/home/*/.ssh/authorized_keys", remove, nullptr, "keys come with the seed"},
    // Leaks of the build
    {"/etc/resolv.conf", remove_file, nullptr, "name servers of the build host"},
    {"/etc/apt/auth.conf", remove, nullptr, "passwords of package sources"},
    {"/etc/apt/auth.conf.d/*", remove, nullptr, "passwords of package sources"},
    {"/etc/apt/apt.conf.d/*proxy*", remove, nullptr, "proxy of the build host"},
    {"/etc/apt/apt.conf.d/99mmdebstrap", remove, nullptr, "options of the bootstrap"},
    {"/root/.*_history", remove, nullptr, "commands typed by people"},
    {"/home/*/.*_history", remove, nullptr, "commands typed by people"},
    {"/root/.cache", remove, nullptr, "caches of tools"},
    {"/root/.viminfo", remove, nullptr, "names of files edited"},
    {"/root/.lesshst", remove, nullptr, "names of files read"},
    {"/root/.wget-hsts", remove, nullptr, "names of servers asked"},
    {"/.imgbuild", remove, nullptr, "scripts and payloads while they are used"},
    {"/tmp", empty_folder, nullptr, "temporary"},
    {"/var/tmp", empty_folder, nullptr, "temporary"},
    {"/run", empty_folder, nullptr, "a file system of its own when running"},
    {"/dev", empty_folder, nullptr, "a file system of its own when running"},
    {"/var/crash/*", remove, nullptr, "memory images"},
    {"/var/lib/dhcp/*", remove, nullptr, "leases"},
    {"/var/lib/NetworkManager/*", remove, nullptr, "leases and a secret key"},
    // Differs from build to build
    {"/var/log/journal/*", remove, nullptr, "folders named by the machine id"},
    {"/var/log", remove_files, nullptr, "times of the build"},
    {"/var/lib/apt/lists", remove_files, nullptr, "the mirror's state of the day"},
    {"/var/lib/apt/periodic", remove_files, nullptr, "times"},
    {"/var/cache/apt", remove_files, nullptr, "made from the lists"},
    {"/var/lib/dpkg/*-old", remove, nullptr, "the state before the last package"},
    {"/var/cache/debconf/*-old", remove, nullptr, "the state before the last package"},
    {"/var/lib/ucf/*.[0-9]", remove, nullptr, "the state before the last package"},
    {"/var/backups/*", remove, nullptr, "copies of dpkg's state by date"},
    {"/etc/passwd-", remove, nullptr, "the state before the last user"},
    {"/etc/shadow-", remove, nullptr, "the state before the last user"},
    {"/etc/group-", remove, nullptr, "the state before the last group"},
    {"/etc/gshadow-", remove, nullptr, "the state before the last group"},
    {"/etc/subuid-", remove, nullptr, "the state before the last user"},
    {"/etc/subgid-", remove, nullptr, "the state before the last user"},
    {"/etc/.pwd.lock", remove, nullptr, "there if a user was ever made"},
    {"/var/cache/ldconfig/aux-cache", remove, nullptr, "inode numbers and times"},
    {"/var/cache/man", remove_files, nullptr, "times in a database"},
    {"/var/cache/fontconfig", remove_files, nullptr, "times in names"},
    {"/var/lib/systemd/timers/*", remove, nullptr, "times"},
    {"/var/lib/logrotate/status", remove, nullptr, "times"},
    {"/var/lib/update-notifier/*", remove, nullptr, "times"},
};

}  // namespace

std::span<const GeneralizeRow> generalize_rows() { return kRows; }

}  // namespace imgbuild
