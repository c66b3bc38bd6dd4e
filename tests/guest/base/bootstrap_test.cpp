#include "base/bootstrap.h"

#include <gtest/gtest.h>

#include <thread>

#include "shared_base.h"
#include "util/error.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

TEST(Bootstrap, MakesABaseThatLoadsAgain) {
  const std::optional<Base> loaded = load_base(test_folder() / "bases", shared_base().name);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(to_json(*loaded), to_json(shared_base()));
  EXPECT_EQ(loaded->origin.at("kind"), "bootstrap");
  EXPECT_EQ(find_mounted(loaded->layout, "/")->ext4.label, "cloudimg-rootfs");
}

TEST(Bootstrap, GivesTheSameDigestTwice) {
  SystemCommandRunner runner;
  PrintedStatus status;
  const Base again = bootstrap(
      {.bases = test_folder() / "again", .work = test_folder(), .acceleration = test_acceleration()}, runner,
      status);
  EXPECT_EQ(again.tree_sha256, shared_base().tree_sha256);
  EXPECT_EQ(again.boot_sha256, shared_base().boot_sha256);
  EXPECT_EQ(again.digest, shared_base().digest);
}

TEST(Bootstrap, LeavesNothingUniqueInTheTree) {
  SystemCommandRunner runner;
  const CommandResult listing =
      run_checked(runner, {.program = "tar", .arguments = {"-tf", shared_base().tree().native()}});
  for (const char* path :
       {"./etc/ssh/ssh_host_ed25519_key", "./etc/hostname", "./var/lib/systemd/random-seed", "./var/log/apt",
        "./etc/apt/apt.conf.d/99mmdebstrap"}) {
    EXPECT_EQ(listing.out.find(std::string(path) + "\n"), std::string::npos) << path;
  }
}

/// A machine under QEMU whose serial console goes to a file.
class Machine {
 public:
  Machine(const fs::path& disk, const std::string& name, const std::vector<std::string>& firmware)
      : console_(test_folder() / (name + ".log")),
        log_(io::create_exclusive(console_, 0600)),
        process_(command(disk, firmware), &log_) {}

  [[nodiscard]] std::string console() const { return io::read_file(console_); }
  /// On a host so slow that the console's device times out there is no login, but systemd still gets to its
  /// end.
  [[nodiscard]] bool is_up() const {
    const std::string text = console();
    return text.find(" login: ") != std::string::npos || text.find("multi-user.target") != std::string::npos;
  }

 private:
  static Command command(const fs::path& disk, const std::vector<std::string>& firmware) {
    Command command{.program = "qemu-system-x86_64",
                    .arguments = {"-accel", "tcg", "-m", "768", "-nographic", "-monitor", "none", "-nic",
                                  "none", "-snapshot", "-drive",
                                  fmt::format("file={},format=raw,if=virtio,cache=unsafe", disk.native())}};
    command.arguments.insert(command.arguments.end(), firmware.begin(), firmware.end());
    command.environment = {"TMPDIR=" + test_folder().native()};
    return command;
  }

  fs::path console_;
  io::File log_;
  Process process_;
};

TEST(Bootstrap, BootsUnderBiosAndUnderUefi) {
  const fs::path disk = write_disk(shared_base(), test_folder() / "boot.raw");
  const Machine bios(disk, "bios", {});
  const Machine uefi(disk, "uefi",
                     {"-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd"});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(6);
  while (!(bios.is_up() && uefi.is_up()) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  EXPECT_TRUE(bios.is_up()) << bios.console();
  EXPECT_TRUE(uefi.is_up()) << uefi.console();
}

}  // namespace
}  // namespace imgbuild
