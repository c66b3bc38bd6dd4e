#pragma once

#include <string>

#include "seed/seed.h"

namespace imgbuild {

/// A deployment of four machines, one of them external, with a secret for each that no other may see.
inline Environment sample_environment() {
  return {.file = "prod.yml",
          .deployment = "prod",
          .domain = "vote.example.org",
          .timezone = "Europe/Vienna",
          .ssh_authorized_keys = {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake ops"},
          .internal_network = "192.168.50.0/24",
          .ops_networks = {"192.168.50.1/32"},
          .load_balancers = {"192.168.50.20/32"},
          .machines = {{.name = "prod-s1",
                        .role = "web-master",
                        .private_ip = "192.168.50.4",
                        .public_ip = "203.0.113.4",
                        .node_id = 1},
                       {.name = "prod-s2", .role = "web-slave", .private_ip = "192.168.50.5", .node_id = 2},
                       {.name = "prod-a1",
                        .role = "authority",
                        .private_ip = "192.168.50.6",
                        .director = Machine::Director::yes},
                       {.name = "prod-a2",
                        .role = "authority",
                        .private_ip = "192.168.50.7",
                        .external = Machine::External::yes}},
          .settings = {{"authority_password", Secret("only-for-the-authority")}}};
}

inline SeedSshKey sample_ssh_key(const std::string& whose) {
  return {.private_key = Secret("-----BEGIN OPENSSH PRIVATE KEY-----\n" + whose + "\n-----END OPENSSH PRIVATE KEY-----\n"),
          .public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake " + whose};
}

/// The public lines of one web server, as every web server sees them.
inline std::map<std::string, std::string> sample_public_keys(const std::string& machine) {
  return {{"host", sample_ssh_key(machine).public_key},
          {"postgres", sample_ssh_key("postgres@" + machine).public_key},
          {"ballotbox", sample_ssh_key("ballotbox@" + machine).public_key}};
}

/// Of the first machine. 'environment' must outlive it.
inline SeedInput sample_input(const Environment& environment) {
  return {.environment = environment,
          .machine = environment.machines.front(),
          .settings = {{"ballot_box_database_password", Secret("ballot-box-password-1")},
                       {"iam_database_password", Secret("iam-password-22")}},
          .tls = SeedTls{.key = Secret("-----BEGIN PRIVATE KEY-----\nTLS\n-----END PRIVATE KEY-----\n"),
                         .certificate = "-----BEGIN CERTIFICATE-----\nCRT\n-----END CERTIFICATE-----\n"},
          .host_key = {.private_key = Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nHOST\n-----END OPENSSH PRIVATE KEY-----\n"),
                       .public_key = "ssh-ed25519 AAAA prod-s1"},
          .user_keys = {{"postgres", sample_ssh_key("postgres@prod-s1")}, {"ballotbox", sample_ssh_key("ballotbox@prod-s1")}},
          .public_ssh_keys = {{"prod-s1", sample_public_keys("prod-s1")}, {"prod-s2", sample_public_keys("prod-s2")}}};
}

inline SeedTemplate web_template() { return read_seed_template(IMGBUILD_SOURCE_DIR "/cidata/web.yml"); }

}  // namespace imgbuild
