#include "publish/upload_journal.h"

#include <gtest/gtest.h>

#include <fstream>

namespace imgbuild {
namespace {

namespace fs = std::filesystem;

class UploadJournalTest : public testing::Test {
 protected:
  io::TemporaryDirectory folder_{fs::temp_directory_path(), "journal"};
  fs::path path_ = folder_.path() / "web-master.journal";
  UploadJournal open() {
    return UploadJournal(path_, [] { FAIL() << "nobody else has it"; });
  }
  const UploadRecord begun_ = {.token = "t", .map = "m", .encryption = "default", .parent = "snap-0"};
};

TEST_F(UploadJournalTest, TellsTheNextRunWhatThereIs) {
  {
    UploadJournal journal = open();
    EXPECT_FALSE(journal.record());
    journal.begin(begun_);
    journal.note_snapshot("snap-1");
    for (std::uint32_t i = 0; i < 40; ++i) journal.note_put(i);
  }
  const UploadJournal journal = open();
  ASSERT_TRUE(journal.record());
  EXPECT_EQ(journal.record()->token, "t");
  EXPECT_EQ(journal.record()->parent, "snap-0");
  EXPECT_EQ(journal.record()->snapshot, "snap-1");
  EXPECT_EQ(journal.record()->put.size(), 32U);  // the last few are sent again
  EXPECT_FALSE(journal.record()->is_completed);
}

TEST_F(UploadJournalTest, KnowsAllBlocksBeforeTheSnapshotIsCompleted) {
  {
    UploadJournal journal = open();
    journal.begin(begun_);
    for (std::uint32_t i = 0; i < 40; ++i) journal.note_put(i);
    journal.note_all_put();
  }
  EXPECT_EQ(open().record()->put.size(), 40U);
}

TEST_F(UploadJournalTest, ReadsUpToATornLine) {
  {
    UploadJournal journal = open();
    journal.begin(begun_);
    journal.note_snapshot("snap-1");
  }
  std::ofstream(path_, std::ios::app) << "{\"put\": [1, 2";
  EXPECT_EQ(open().record()->snapshot, "snap-1");
  std::ofstream(path_, std::ios::trunc) << "{\"tok";
  EXPECT_FALSE(open().record());
}

TEST_F(UploadJournalTest, WritesOnlyAfterWholeLines) {
  {
    UploadJournal journal = open();
    journal.begin(begun_);
  }
  std::ofstream(path_, std::ios::app) << "{\"put\": [1, 2";
  open().note_snapshot("snap-1");
  EXPECT_EQ(open().record()->snapshot, "snap-1");
}

TEST_F(UploadJournalTest, KnowsWhatWasAskedForAndWhen) {
  UploadRecord record = begun_;
  record.start = R"({"ClientToken": "t"})";
  open().begin(record);
  EXPECT_EQ(open().record()->started, 0);
  open().note_snapshot("snap-1");
  open().note_object();
  const UploadJournal journal = open();
  EXPECT_EQ(journal.record()->start, record.start);
  EXPECT_NEAR(static_cast<double>(journal.record()->started), static_cast<double>(std::time(nullptr)), 60);
  EXPECT_TRUE(journal.record()->is_object_whole);
}

TEST_F(UploadJournalTest, IsGoneAfterTheEnd) {
  {
    UploadJournal journal = open();
    journal.begin(begun_);
    journal.note_completed();
    EXPECT_TRUE(journal.record()->is_completed);
    journal.end();
  }
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_FALSE(open().record());
}

}  // namespace
}  // namespace imgbuild
