#include "keys/openssh_key.h"

#include <gtest/gtest.h>

#include "complaint.h"
#include "util/command.h"
#include "util/io.h"

namespace imgbuild {
namespace {
namespace fs = std::filesystem;

class OpensshKey : public ::testing::Test {
 protected:
  std::string keygen(std::vector<std::string> arguments) {
    SystemCommandRunner runner;
    std::string out = run_checked(runner, {.program = "ssh-keygen", .arguments = std::move(arguments)}).out;
    return out.substr(0, out.find_last_not_of('\n') + 1);
  }

  io::TemporaryDirectory folder_{fs::temp_directory_path(), "openssh-key-test"};
  fs::path file_ = folder_.path() / "key";
};

TEST_F(OpensshKey, IsReadBySshKeygen) {
  for (const char* comment : {"", "a", "prod-s1", "with some words", "exactly-one-block-more-or-less"}) {
    const SshKeyPair pair = make_ssh_key(comment);
    io::write_file(file_, pair.private_key.reveal(), 0600);
    EXPECT_EQ(keygen({"-y", "-f", file_}), pair.public_key) << comment;
  }
}

TEST_F(OpensshKey, MakesSignaturesThatItsPublicLineVerifies) {
  const SshKeyPair pair = make_ssh_key("prod-s1");
  io::write_file(file_, pair.private_key.reveal(), 0600);
  io::write_file(folder_.path() / "allowed", "prod-s1 " + pair.public_key + "\n", 0644);
  io::write_file(folder_.path() / "data", "text", 0644);
  keygen({"-Y", "sign", "-f", file_, "-n", "test", folder_.path() / "data"});
  SystemCommandRunner runner;
  EXPECT_NO_THROW(run_checked(
      runner, {.program = "ssh-keygen",
               .arguments = {"-Y", "verify", "-f", folder_.path() / "allowed", "-I", "prod-s1", "-n", "test", "-s",
                             folder_.path() / "data.sig"},
               .input = "text"}));
}

TEST_F(OpensshKey, OfSshKeygenIsReadHere) {
  keygen({"-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", file_});
  EXPECT_EQ(public_line_of(Secret(io::read_file(file_)), "key") + '\n', io::read_file(folder_.path() / "key.pub"));
}

TEST_F(OpensshKey, WithAPassPhraseIsRefused) {
  keygen({"-q", "-t", "ed25519", "-N", "test", "-a", "1", "-f", file_});
  EXPECT_EQ(complaint_of([&] { (void)public_line_of(Secret(io::read_file(file_)), "key"); }),
            "key: the private key is encrypted\nhint: remove its pass phrase: ssh-keygen -p -N '' -f FILE");
}

TEST_F(OpensshKey, OfAnotherKindIsRefused) {
  keygen({"-q", "-t", "ecdsa", "-N", "", "-f", file_});
  EXPECT_EQ(complaint_of([&] { (void)public_line_of(Secret(io::read_file(file_)), "key"); }),
            "key: is no whole and consistent Ed25519 key");
}

TEST_F(OpensshKey, CutShortOrChangedAnywhereIsRefused) {
  const SshKeyPair pair = make_ssh_key("prod-s1");
  const std::string whole = pair.private_key.reveal();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW((void)public_line_of(Secret(whole.substr(0, size)), "key"), Error) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    std::string line;
    try {
      line = public_line_of(Secret(changed), "key");
    } catch (const Error&) {
      continue;
    }
    // Only the comment and the two check numbers may differ without anybody being able to notice.
    EXPECT_EQ(line.substr(0, 80), pair.public_key.substr(0, 80)) << at;
  }
}

TEST(SshKey, IsNewEachTime) { EXPECT_NE(make_ssh_key("a").public_key, make_ssh_key("a").public_key); }

TEST(SshKey, RefusesACommentOfTwoLines) {
  EXPECT_EQ(complaint_of([] { (void)make_ssh_key("a\nssh-ed25519 AAAA"); }),
            "the comment of an ssh key must be one line");
}

}  // namespace
}  // namespace imgbuild
