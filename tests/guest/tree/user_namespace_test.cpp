#include "tree/user_namespace.h"

#include <grp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <sstream>

#include "guest/tree/base_tree.h"
#include "tree/apply.h"
#include "tree/generalize.h"
#include "tree/native_guest.h"
#include "tree/tree_listing.h"
#include "util/command.h"
#include "util/io.h"
#include "util/tree_archive.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

constexpr std::int64_t kEpoch = 1'700'000'000;

enum class SubIds { no, yes };

/// A user of the host made for one test, with a folder of its own.
class ScratchUser {
 public:
  explicit ScratchUser(SubIds sub_ids) : name_("imgbuild-test-" + std::to_string(::getpid())), home_("/var/tmp/" + name_) {
    std::vector<std::string> arguments = {"--no-user-group", "--no-create-home", "--home-dir", home_.native()};
    if (sub_ids == SubIds::yes) arguments.insert(arguments.end(), {"--key", "SUB_UID_COUNT=65536"});
    else arguments.insert(arguments.end(), {"--key", "SUB_UID_COUNT=0", "--key", "SUB_GID_COUNT=0"});
    arguments.push_back(name_);
    (void)run_checked(runner_, {.program = "useradd", .arguments = arguments});
    io::make_directories(home_, 0700);
    const passwd* entry = ::getpwnam(name_.c_str());
    uid_ = entry->pw_uid;
    gid_ = entry->pw_gid;
    EXPECT_EQ(::chown(home_.c_str(), uid_, gid_), 0);
  }
  ~ScratchUser() {
    (void)runner_.run({.program = "userdel", .arguments = {name_}});
    io::remove_tree(home_);
  }
  ScratchUser(const ScratchUser&) = delete;
  ScratchUser& operator=(const ScratchUser&) = delete;

  [[nodiscard]] const fs::path& home() const { return home_; }
  [[nodiscard]] const std::string& name() const { return name_; }

  /// Does 'work' as this user in a process of its own, and returns what it returned or threw.
  std::string do_as(const std::function<std::string()>& work) const {
    const fs::path answer = home_ / "answer";
    const pid_t pid = ::fork();
    if (pid == 0) {
      std::string text = "cannot become the user";
      if (::setgroups(0, nullptr) == 0 && ::setresgid(gid_, gid_, gid_) == 0 && ::setresuid(uid_, uid_, uid_) == 0) {
        try {
          text = work();
        } catch (const Error& error) {
          text = error.describe();
        }
      }
      std::ofstream(answer) << text;
      ::_exit(0);
    }
    ::waitpid(pid, nullptr, 0);
    return io::read_file(answer);
  }

 private:
  std::string name_;
  fs::path home_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  SystemCommandRunner runner_;
};

std::string text_of(const std::vector<TreeRecord>& records) {
  std::string text;
  for (const TreeRecord& record : records) text += to_text(record) + "\n";
  return text;
}

std::string build(const fs::path& folder, const fs::path& base) {
  (void)extract_tree(base, folder / "tree");
  const std::unique_ptr<Guest> guest = make_native_guest({.tree = folder / "tree", .source_date_epoch = kEpoch});
  SilentStatus status;
  apply(*guest, PackagesStep{.install = {"rsync", "ssl-cert", "iputils-ping"}},
        {.package_cache = folder / "packages", .work = folder / "work"}, status);
  generalize(folder / "tree", kEpoch, status);
  return text_of(tree_listing(folder / "tree"));
}

TEST(UserNamespace, GivesTheSameTreeAsRoot) {
  const ScratchUser user(SubIds::yes);
  const fs::path base = user.home() / "base.tar";
  fs::copy_file(base_archive(), base);
  const std::string by_user = user.do_as([&] {
    enter_user_namespace();
    io::make_directories(user.home() / "mine", 0755);
    return build(user.home() / "mine", base);
  });
  const std::string by_root = build(user.home(), base);
  std::istringstream user_lines(by_user);
  std::istringstream root_lines(by_root);
  for (std::string left, right; std::getline(root_lines, left);) {
    std::getline(user_lines, right);
    ASSERT_EQ(left, right);
  }
  EXPECT_EQ(by_user, by_root);
}

TEST(UserNamespace, NamesTheCureWithoutSubIds) {
  const ScratchUser user(SubIds::no);
  const std::string answer = user.do_as([] {
    enter_user_namespace();
    return std::string("entered");
  });
  EXPECT_EQ(answer, "/etc/subuid: has no range of 65535 or more ids for user '" + user.name() +
                        "'\nhint: as root: usermod --add-subuids 100000-165535 " + user.name() +
                        " (any unused range), or run imgbuild as root");
}

TEST(UserNamespace, IsNotNeededByRoot) {
  enter_user_namespace();
  EXPECT_EQ(::geteuid(), 0U);
}

}  // namespace
}  // namespace imgbuild
