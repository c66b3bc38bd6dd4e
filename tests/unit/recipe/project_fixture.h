#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "recipe/project.h"
#include "recipe/read.h"
#include "util/error.h"
#include "util/io.h"
#include "util/problems.h"

namespace imgbuild::test {

inline constexpr const char* kRecipeText = R"(role: web-master
description: election web server
base: ubuntu-24.04
disk: 10 GiB
settings:
  title: {type: string}
  limit: {type: bytes, default: 10 MiB}
  password: {type: secret}
steps:
  - overlay: common
  - packages: {install: [nginx, rsync], remove: [snapd], upgrade: true}
  - run: scripts/x.sh
  - services: {enable: [nginx], disable: [ssh.socket], mask: [apt-daily.timer]}
seed: web
formats: [qcow2]
ready: {timeout: 200 s}
)";

inline constexpr const char* kPlainRecipeText = R"(role: ROLE
description: another role
base: debian-12
disk: 8 GiB
steps: []
seed: web
)";

inline constexpr const char* kEnvironmentText = R"(version: 1
deployment: prod
domain: vote.example.org
timezone: UTC
ssh_authorized_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKaWKCsPfjWSBjKvKs6CYqfqmgMJH4MTe3oUGzyH19a ops"]
network: {internal: 192.168.50.0/24, ops: [192.168.50.1/32]}
machines:
  - {name: prod-s1, role: web-master, private_ip: 192.168.50.4, public_ip: 203.0.113.4, disk: 30 GiB}
  - {name: prod-s2, role: web-slave, private_ip: 192.168.50.5, memory: 4 GiB, cpus: 2}
  - {name: prod-a1, role: authority, private_ip: 192.168.50.6, director: true, keys: machine}
  - {name: prod-a2, role: authority, private_ip: 192.168.50.7, external: true}
settings: {title: Election}
)";

/// A project in a temporary folder: three roles, an overlay, a script, a seed, a payload, and prod.yml.
class ProjectFixture : public testing::Test {
 public:
  ProjectFixture() : folder_(std::filesystem::temp_directory_path(), "recipe-test") {
    for (const char* name : {"recipes/scripts", "recipes/parts", "overlays/common", "overlays/web", "cidata"})
      std::filesystem::create_directories(root() / name);
    write("recipes/web-master.yml", kRecipeText);
    for (const char* role : {"web-slave", "authority"})
      write("recipes/" + std::string(role) + ".yml", replaced(kPlainRecipeText, "ROLE", role));
    write("recipes/scripts/x.sh", "#!/bin/sh\n");
    write("recipes/parts/base.yml", "steps: [{overlay: web}]\n");
    write("recipes/app.tar", "payload");
    write("cidata/web.yml", "a: 1\n");
    write("prod.yml", kEnvironmentText);
  }

  [[nodiscard]] std::filesystem::path root() const { return std::filesystem::canonical(folder_.path()); }
  [[nodiscard]] Project project() const { return {.root = root()}; }

  void write(const std::filesystem::path& name, const std::string& text) const {
    std::ofstream(root() / name) << text;  // io::write_file would wait for the disk
  }

  /// The message of all problems, without this folder's name; empty if there are none.
  template <typename Action>
  [[nodiscard]] std::string complaint_of(const Action& action) const {
    try {
      Problems problems;
      action(problems);
      problems.throw_if_any();
    } catch (const Error& error) {
      return replaced(error.what(), root().string() + "/", "");
    }
    return {};
  }

  [[nodiscard]] std::string recipe_complaint() const {
    return complaint_of([this](Problems& problems) { (void)read_recipe(project(), "web-master", problems); });
  }

  [[nodiscard]] std::string environment_complaint() const {
    return complaint_of(
        [this](Problems& problems) { (void)read_environment(project(), root() / "prod.yml", problems); });
  }

  /// 'text' with each 'from' replaced.
  [[nodiscard]] static std::string replaced(std::string text, const std::string& from,
                                            const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
    return text;
  }

 private:
  io::TemporaryDirectory folder_;
};

}  // namespace imgbuild::test
