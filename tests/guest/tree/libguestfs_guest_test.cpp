#include "tree/libguestfs_guest.h"

#include "guest/tree/base_tree.h"
#include "tree/tree_listing.h"
#include "unit/tree/guest_conformance.h"

namespace imgbuild {
namespace {

const std::filesystem::path kWork = std::filesystem::path(IMGBUILD_BINARY_DIR) / "test-work";

/// One appliance for all tests of this file: it takes a while to start.
struct LibguestfsBackend {
  static Guest& guest() {
    static const io::TemporaryDirectory folder(kWork, "libguestfs");
    static SilentStatus status;
    static const std::unique_ptr<Guest> guest = [] {
      make_base_tree(folder.path() / "tree");
      return make_libguestfs_guest(
          {.tree = folder.path() / "tree", .work = folder.path() / "work", .source_date_epoch = 1'700'000'000}, status);
    }();
    return *guest;
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Libguestfs, GuestConformance, LibguestfsBackend);

TEST(LibguestfsGuest, SharesAFolderOfTheHostForOneCommand) {
  const io::TemporaryDirectory folder(kWork, "shared");
  io::write_file(folder.path() / "given", "from the host\n", 0644);
  const CommandResult result =
      LibguestfsBackend::guest().run({.program = "sh",
                                      .arguments = {"-c", "cat /mnt/shared/given; echo back > /mnt/shared/taken"},
                                      .shared = {{folder.path(), "/mnt/shared"}}});
  EXPECT_EQ(result.out, "from the host\n");
  EXPECT_EQ(io::read_file(folder.path() / "taken"), "back\n");
  EXPECT_THAT(LibguestfsBackend::guest().list("/mnt/shared/*"), testing::IsEmpty());
}

/// Our own work folder and the appliance's name servers come and go in two folders, whose times change.
std::vector<TreeRecord> listing_without_touched_folders(const std::filesystem::path& tree) {
  std::vector<TreeRecord> records = tree_listing(tree);
  std::erase_if(records, [](const TreeRecord& record) { return record.path == "/" || record.path == "/etc"; });
  return records;
}

TEST(LibguestfsGuest, GivesBackTheTreeWithWhatWasDoneToIt) {
  const io::TemporaryDirectory folder(kWork, "round-trip");
  const std::filesystem::path tree = folder.path() / "tree";
  make_base_tree(tree);
  const std::vector<TreeRecord> before = listing_without_touched_folders(tree);
  SilentStatus status;
  const std::unique_ptr<Guest> guest = make_libguestfs_guest({.tree = tree, .work = folder.path() / "work"}, status);
  (void)run_checked(*guest, {.program = "sh", .arguments = {"-c", "echo made > /opt/made && touch -d @1000 /opt/made /opt"}});
  guest->finish();
  std::vector<std::string> names;
  for (const std::string& line : difference(before, listing_without_touched_folders(tree))) names.push_back(line.substr(0, line.find(' ')));
  EXPECT_THAT(names, testing::ElementsAre("-/opt", "+/opt", "+/opt/made"));
}

}  // namespace
}  // namespace imgbuild
