#include "tree/hold_down.h"

namespace imgbuild {
namespace {

const std::string kPolicy = "/usr/sbin/policy-rc.d";
const std::string kAside = ".imgbuild";

/// Said to packages that would make things every machine must make for itself.
const std::string kNoCluster = "/etc/postgresql-common/createcluster.conf";
const std::string kNoClusterText = "create_main_cluster = false\n";

/// postgresql's postinst would make a cluster that generalize removes.
void hold_back_cluster(Guest& guest) {
  if (guest.exists(kNoCluster)) return;
  guest.make_folder("/etc/postgresql-common");
  guest.write_file(kNoCluster, kNoClusterText, 0644);
}

/// The package left its own file beside ours (ucf); where it was not installed nothing of ours stays.
void release_cluster(Guest& guest) {
  if (!guest.exists(kNoCluster) || guest.read_file(kNoCluster) != kNoClusterText) return;
  guest.remove(kNoCluster);
  if (guest.exists(kNoCluster + ".ucf-dist")) {
    guest.write_file(kNoCluster, guest.read_file(kNoCluster + ".ucf-dist"), 0644);
    guest.remove(kNoCluster + ".ucf-dist");
  } else if (guest.list("/etc/postgresql-common/*").empty()) {
    guest.remove("/etc/postgresql-common");
  }
}

/// Not a bind mount and not a plain rename: an upgrade of the package in between must replace the original.
void divert(Guest& guest, const std::string& path, const char* action) {
  (void)run_checked(guest, {.program = "dpkg-divert",
                            .arguments = {"--quiet", "--local", "--rename", "--divert", path + kAside, action, path}});
}

}  // namespace

void hold_down(Guest& guest, const std::vector<StandIn>& stand_ins) {
  if (guest.exists(kPolicy)) guest.write_file(kPolicy + kAside, guest.read_file(kPolicy), 0755);
  guest.write_file(kPolicy, "#!/bin/sh\nexit 101\n", 0755);
  hold_back_cluster(guest);
  for (const StandIn& stand_in : stand_ins) {
    if (!guest.exists(stand_in.path)) continue;
    divert(guest, stand_in.path, "--add");
    guest.write_file(stand_in.path, stand_in.content, 0755);
  }
}

void release(Guest& guest, const std::vector<StandIn>& stand_ins) {
  guest.remove(kPolicy);
  release_cluster(guest);
  if (guest.exists(kPolicy + kAside)) {
    guest.write_file(kPolicy, guest.read_file(kPolicy + kAside), 0755);
    guest.remove(kPolicy + kAside);
  }
  for (const StandIn& stand_in : stand_ins) {
    if (!guest.exists(stand_in.path + kAside)) continue;
    guest.remove(stand_in.path);
    divert(guest, stand_in.path, "--remove");
  }
}

}  // namespace imgbuild
