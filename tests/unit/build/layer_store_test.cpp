#include "build/layer_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "complaint.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

struct Notes : SilentStatus {
  void note(std::string_view message) override { said.emplace_back(message); }
  std::vector<std::string> said;
};

class Layers : public testing::Test {
 protected:
  static Layer wanted(const std::string& name) { return {.key = sha256(name), .parent = "", .step = "overlay: " + name}; }
  /// Makes a layer with one file; counts how often.
  LayerStore::Make putting(const std::string& content) {
    return [this, content](const fs::path& upper, const fs::path&) {
      ++made_;
      io::write_file(upper / "file", content, 0644);
      return PackageLock{};
    };
  }
  Layer provide(const std::string& name) { return store_.find_or_make(wanted(name), putting(name), notes_); }
  std::vector<std::string> names() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename().native();
      if (entry.is_directory()) names.push_back(name.substr(0, name.find('-')));
    }
    std::ranges::sort(names);
    return names;
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "layers"};
  LayerStore store_{folder_.path()};
  Notes notes_;
  int made_ = 0;
};

TEST_F(Layers, AreMadeOnceAndFoundAgain) {
  const Layer first = provide("a");
  const Layer second = provide("a");
  EXPECT_EQ(made_, 1);
  EXPECT_EQ(first.content, second.content);
  EXPECT_EQ(io::read_file(second.tree() / "file"), "a");
  EXPECT_EQ(second.step, "overlay: a");
  EXPECT_TRUE(store_.record(sha256("a")));
  EXPECT_FALSE(store_.record(sha256("b")));
}

TEST_F(Layers, KnowThePackagesThatMadeThem) {
  const PackageLock nginx = {{.name = "nginx", .version = "1.22.1-9", .architecture = "amd64", .sha256 = sha256("nginx")}};
  const auto make = [&](const fs::path&, const fs::path&) { return nginx; };
  EXPECT_EQ(store_.find_or_make(wanted("a"), make, notes_).packages, nginx);
  EXPECT_EQ(store_.record(sha256("a"))->packages, nginx);
  EXPECT_THAT(provide("b").packages, IsEmpty());
}

TEST_F(Layers, ThatAreDamagedAreMadeAnew) {
  struct Damage {
    const char* what;
    std::function<void(const Layer&)> cause;
  };
  const Damage damages[] = {
      {"a flipped byte", [](const Layer& layer) { io::write_file(layer.tree() / "file", "A", 0644); }},
      {"another mode", [](const Layer& layer) { ::chmod((layer.tree() / "file").c_str(), 0755); }},
      {"a file more", [](const Layer& layer) { io::write_file(layer.tree() / "more", "", 0644); }},
      {"a file less", [](const Layer& layer) { fs::remove(layer.tree() / "file"); }},
      {"another time", [](const Layer& layer) { fs::last_write_time(layer.tree() / "file", fs::file_time_type::clock::now() + std::chrono::hours(1)); }},
      {"a record of another content",
       [](const Layer& layer) {
         std::string text = io::read_file(layer.folder / "layer.json");
         text.replace(text.find(layer.content), 64, std::string(64, '0'));
         io::write_file(layer.folder / "layer.json", text, 0600);
       }},
  };
  for (const Damage& damage : damages) {
    const Layer layer = provide("a");
    notes_.said.clear();
    made_ = 0;
    damage.cause(layer);
    EXPECT_EQ(io::read_file(provide("a").tree() / "file"), "a") << damage.what;
    EXPECT_EQ(made_, 1) << damage.what;
    EXPECT_THAT(notes_.said, ElementsAre(fmt::format("the layer 'overlay: a' in '{}' is damaged; it is made anew", layer.folder.native())));
  }
  EXPECT_THAT(names(), testing::Contains("damaged").Times(6));
  store_.sweep();
  EXPECT_THAT(names(), ElementsAre(sha256("a").substr(0, 32)));
}

TEST_F(Layers, WhoseRecordIsDamagedAreMadeAnew) {
  for (const char* text : {"", "{", "[]", "{\"version\":2}", "{\"version\":1,\"key\":5}"}) {
    const Layer layer = provide("a");
    made_ = 0;
    io::write_file(layer.folder / "layer.json", text, 0600);
    (void)provide("a");
    EXPECT_EQ(made_, 1) << text;
  }
}

TEST_F(Layers, LeaveNothingWhenTheyCannotBeMade) {
  const auto make = [](const fs::path& upper, const fs::path&) -> PackageLock {
    io::write_file(upper / "file", "half", 0644);
    throw Error(ExitCode::step_failed, "no");
  };
  EXPECT_EQ(complaint_of([&] { (void)store_.find_or_make(wanted("a"), make, notes_); }), "no");
  EXPECT_THAT(names(), IsEmpty());
  (void)provide("a");
  EXPECT_EQ(made_, 1);
}

TEST_F(Layers, AreMadeAnewWhenAsked) {
  (void)provide("a");
  const Layer layer = store_.make_anew(wanted("a"), putting("other"), notes_);
  EXPECT_EQ(io::read_file(layer.tree() / "file"), "other");
  EXPECT_EQ(io::read_file(provide("a").tree() / "file"), "other");
}

TEST_F(Layers, AreMadeByOneOfTwoProcesses) {
  const auto slowly = [](const fs::path& upper, const fs::path&) {
    io::write_file(upper / "file", std::to_string(::getpid()), 0644);
    ::usleep(300'000);
    return PackageLock{};
  };
  const pid_t other = ::fork();
  if (other == 0) {
    SilentStatus silent;
    try {
      (void)store_.find_or_make(wanted("a"), slowly, silent);
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  const Layer ours = store_.find_or_make(wanted("a"), slowly, notes_);
  const std::string maker = io::read_file(ours.tree() / "file");
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(io::read_file(provide("a").tree() / "file"), maker);
}

TEST_F(Layers, OfAProcessThatWasKilledAreSwept) {
  const pid_t other = ::fork();
  if (other == 0) {
    SilentStatus silent;
    (void)store_.find_or_make(wanted("a"), [](const fs::path& upper, const fs::path&) {
      io::write_file(upper / "file", "half", 0644);
      ::kill(::getpid(), SIGKILL);
      return PackageLock{};
    }, silent);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(other, &status, 0), other);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(names(), ElementsAre("tmp"));
  EXPECT_FALSE(store_.record(sha256("a")));
  store_.sweep();
  EXPECT_THAT(names(), IsEmpty());
  EXPECT_EQ(io::read_file(provide("a").tree() / "file"), "a");
}

TEST_F(Layers, AreListedTheLastUsedFirstAndRemoved) {
  const Layer a = provide("a");
  const Layer b = provide("b");
  const timespec old[2] = {{1'000'000, 0}, {1'000'000, 0}};
  ::utimensat(AT_FDCWD, (b.folder / "layer.json").c_str(), old, 0);
  std::vector<Layer> listed = store_.list();
  ASSERT_EQ(listed.size(), 2U);
  EXPECT_EQ(listed[0].key, a.key);
  EXPECT_EQ(listed[1].used.time_since_epoch().count(), 1'000'000);
  store_.remove({listed[1]});
  EXPECT_TRUE(store_.record(a.key));
  EXPECT_FALSE(store_.record(b.key));
}

TEST_F(Layers, InUseKeepTheSweeperAway) {
  fs::create_directory(folder_.path() / "damaged-x");
  {
    const io::FileLock used = store_.lock_for_use(notes_);
    const io::FileLock by_another = store_.lock_for_use(notes_);
    store_.sweep();
    EXPECT_THAT(names(), ElementsAre("damaged"));
  }
  store_.sweep();
  EXPECT_THAT(names(), IsEmpty());
}

}  // namespace
}  // namespace imgbuild
