#include "tree/mtree.h"

#include <gtest/gtest.h>

#include "complaint.h"

namespace imgbuild {
namespace {

const std::string kDigest(64, 'a');

std::vector<TreeRecord> sample() {
  return {
      {.path = "/", .type = 'd', .mode = 0755, .mtime = 1'700'000'000},
      {.path = "/bin/ping", .type = 'f', .mode = 04755, .size = 12, .mtime = -1, .content = kDigest, .attributes = "security.capability=AQ== user.a\\040b=eA=="},
      {.path = "/etc/localtime", .type = 'l', .mode = 0777, .content = "/usr/share/zone info"},
      {.path = "/odd \\#*?[=\n\xff\xc3\xa4", .type = 'p', .mode = 0600, .uid = 33, .gid = 4'000'000'000},
  };
}

TEST(Mtree, SaysEachThingOnALine) {
  EXPECT_EQ(to_mtree(sample()),
            "#mtree\n"
            ". type=dir mode=0755 uid=0 gid=0 time=1700000000.0\n"
            "./bin/ping type=file mode=4755 uid=0 gid=0 size=12 time=-1.0 sha256digest=" + kDigest +
                " xattr.security.capability=AQ== xattr.user.a\\040b=eA==\n"
                "./etc/localtime type=link mode=0777 uid=0 gid=0 time=0.0 link=/usr/share/zone\\040info\n"
                "./odd\\040\\134\\043\\052\\077\\133\\075\\012\\377\\303\\244 type=fifo mode=0600 uid=33 gid=4000000000 time=0.0\n");
}

TEST(Mtree, IsReadBackAsItWasWritten) { EXPECT_EQ(parse_mtree(to_mtree(sample()), "list"), sample()); }

TEST(Mtree, IsRefusedWithTheLine) {
  struct Case {
    const char* text;
    const char* complaint;
  };
  const Case cases[] = {
      {"#other\n", "list:1: must be '#mtree', is '#other'"},
      {"#mtree\n. type=dir", "list:2: is cut off"},
      {"#mtree\n/etc type=dir\n", "list:2: a path must begin with './', is '/etc'"},
      {"#mtree\n. type=dir\n./a type=door\n", "list:3: unknown type 'door'"},
      {"#mtree\n./a mode=9\n", "list:2: is no number: '9'"},
      {"#mtree\n./a uid=-1\n", "list:2: is no number: '-1'"},
      {"#mtree\n./a time=1.5\n", "list:2: unknown key in 'time=1.5'"},
      {"#mtree\n./a nlink=1\n", "list:2: unknown key in 'nlink=1'"},
      {"#mtree\n./a optional\n", "list:2: is no 'key=value': 'optional'"},
      {"#mtree\n./a\\04 type=file\n", "list:2: an escape is cut off in '/a\\04'"},
  };
  for (const Case& one : cases) EXPECT_EQ(complaint_of([&] { (void)parse_mtree(one.text, "list"); }), one.complaint);
}

}  // namespace
}  // namespace imgbuild
