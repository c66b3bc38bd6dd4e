#include "recipe/ssh_key.h"

#include <gtest/gtest.h>

namespace imgbuild {
namespace {

// clang-format off
/// Made with ssh-keygen; their private halves were thrown away.
const char* const kGoodKeys[] = {
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOzjaGacKqlL8hFnsDh+VSBI0A/dzwn4LATBTsQ777sc ops@here",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDBUkpr+cv5Xewuq75lajaXIiAsaF/55zwVSUbhUC6NiEAzRu70exmAZh87BXWRDT6w9/voQ3119lI5swUo76wCjuIozw3hvVx07YFaYg6J69GYS/WjMBm3IfuoYHCXnyeJOlJ7WKhnTJhto5ThHbpuDCiIXlYl20+uprzrS0azNvzvKngigHoTLM7BXC81Hz3QgwhX9giBd9ZwgFy8opVJmpEprxe63X7ziN75LqtnD4qugYP3jAlaIoFUaPB2l88tQczFcH2yctJ+GhG0RwL2Pa5HWX65ev2Zt673Lt4vpfohTcmiPNv7jnMlwBnsday5203+67Nu2Ltu4AiHsdcT ops@here",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNF9S2Dw+IzwRI8m9jOGp0LsfCcSd5Hz3HFHAoSm0PLMr/zk8x5qFp6xvNPY6qz6YzkyZcvJYcOjjXCJXlWE1xA= ops@here",
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBJxqYVUCIp+8dFGEiHyAH1uUMHr1XmpDJMN0JW7xgOcmnLNme80agrr7E10XutDSxrsfX+UgRIMkVzsPC8SO2rVSWdymX0zDpRXu8e4x+Fh9PQrDZtrgov3gq14DZLy8Lw== ops@here",
    "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAAHfVbPuzJdM1qIruJpR6R0BMnquEnOcj3NtHvD/I9SWbd7TLojkMNhS4g7G0ycDF83SbPDx4UbWLedZ1W7nRKIWwAC3pQncFkoBHXpYAe4VEv0bnfL5jYu7tja3n/Hpyqb4MUnlkHy3pYNBGUbxPPTcODuxqdfmx/h54HFyuMrG9uGSg== ops@here",
};
constexpr const char* kShortRsaKey =
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDDlDo2hCkVwdr+Xn5U+I7UKBY2DuNRI1dWab1IVh6nEGfrugoeSS9l1Cc+J+/ygZjf0GRxpqz+jLWFL11aDqXiabFDaMIxcj6+cYjIWlDPqyEr1zFhORZa65ZmOQEST3gsKeTLyXrD2ycO3e4t2kI5zqm6YsWTM4n2EZR2LOeodQ== ops@here";
constexpr const char* kEd25519Blob = "AAAAC3NzaC1lZDI1NTE5AAAAIOzjaGacKqlL8hFnsDh+VSBI0A/dzwn4LATBTsQ777sc";
// clang-format on

std::string complaint_of_blob(const std::string& type, const std::string& blob) {
  return ssh_public_key_complaint(type + " " + blob + " ops@here");
}

TEST(SshKey, IsTakenInEveryTypeThatOpenSshMakes) {
  for (const char* key : kGoodKeys) EXPECT_EQ(ssh_public_key_complaint(key), "") << key;
}

TEST(SshKey, NeedsNoComment) {
  EXPECT_EQ(ssh_public_key_complaint(std::string("ssh-ed25519 ") + kEd25519Blob), "");
}

TEST(SshKey, IsRefusedIfPrivate) {
  EXPECT_EQ(ssh_public_key_complaint("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk"),
            "is a private key, put the public one here (the file that ends in .pub)");
}

TEST(SshKey, IsRefusedIfWeak) {
  EXPECT_EQ(ssh_public_key_complaint(kShortRsaKey), "is an RSA key of less than 2048 bits");
  EXPECT_EQ(complaint_of_blob("ssh-dss", "AAAAB3NzaC1kc3MAAACB"), "is a DSA key, which no server accepts");
}

TEST(SshKey, IsRefusedIfTypeAndBlobDiffer) {
  EXPECT_EQ(complaint_of_blob("ssh-rsa", kEd25519Blob), "says another type than the key in it");
}

TEST(SshKey, IsRefusedIfCutOffAnywhere) {
  const std::string blob = kEd25519Blob;
  for (std::size_t length = 0; length < blob.size(); ++length)
    EXPECT_NE(complaint_of_blob("ssh-ed25519", blob.substr(0, length)), "") << length;
  EXPECT_EQ(complaint_of_blob("ssh-ed25519", blob.substr(0, 40)), "is cut off or damaged");
  EXPECT_EQ(complaint_of_blob("ssh-ed25519", blob + "AAAA"), "is cut off or damaged");
  EXPECT_EQ(complaint_of_blob("ssh-ed25519", "AAAA*AAA"), "is cut off or damaged");
}

TEST(SshKey, IsRefusedIfItIsSomethingElse) {
  const std::string expected = "must be a public ssh key such as 'ssh-ed25519 AAAA… ops', without options";
  for (const char* text :
       {"", "ops", "ssh-ed25519", "~/.ssh/id_ed25519.pub", "from=\"10.0.0.1\" ssh-ed25519 AAAA"})
    EXPECT_EQ(ssh_public_key_complaint(text), expected) << text;
  EXPECT_EQ(ssh_public_key_complaint("ssh-ed25519 AAAA\nssh-ed25519 BBBB"),
            "must be one line of printable ASCII characters");
}

}  // namespace
}  // namespace imgbuild
