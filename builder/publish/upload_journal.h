#pragma once

#include <ctime>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "util/io.h"

namespace imgbuild {

/// What an upload has made or is about to make in AWS. Written before each call that makes something, so that whatever the moment
/// at which a run is killed, the next one finds what there is: one JSON object a line.
///
///   {"token", "map", "encryption", "parent", "start"}
///                                              before StartSnapshot; "start" is its body, for the same token with another is refused
///   {"snapshot", "started"}                    its answer, and when
///   {"put": [INDEX…]}                          blocks that have arrived; some may be missing, they are sent again
///   {"completed": true}
///   {"bucket", "key"} {"upload"}               before S3's upload, its id
///   {"object": true} {"task"}                  the object is whole, so the import may be asked for; the import's id
///
/// A line that is torn ends it: the next run cuts it off before it writes.
struct UploadRecord {
  std::string token;       ///< the client token
  std::string map;         ///< digest of the block map that is uploaded
  std::string encryption;
  std::string parent;      ///< snapshot; may be empty
  std::string start;       ///< StartSnapshot's body: asking for the same again gives the same snapshot
  std::string snapshot;    ///< empty: not answered yet
  std::time_t started = 0; ///< when it was answered
  std::set<std::uint32_t> put;
  bool is_completed = false;
  std::string bucket, key, upload, task;
  bool is_object_whole = false;
};

/// The journal of one upload. The lock on it ends with the process, however that dies: no two runs make the same snapshot.
class UploadJournal {
 public:
  /// Opens or makes it; waits while another run works on it, after saying so.
  UploadJournal(std::filesystem::path path, const std::function<void()>& on_wait);

  /// What a run before wrote; nothing if it ended well.
  [[nodiscard]] const std::optional<UploadRecord>& record() const { return record_; }
  /// Forgets what was and begins with 'record'.
  void begin(const UploadRecord& record);
  void note_snapshot(const std::string& id);
  void note_put(std::uint32_t index);
  /// All have arrived: writes what note_put has not yet written. A snapshot that is being completed takes no block again.
  void note_all_put() { write_puts(); }
  void note_completed();
  void note_upload(const std::string& id);
  void note_object();
  void note_task(const std::string& id);
  /// Nothing is left to resume or to clean up.
  void end();

 private:
  enum class Sync { no, yes };
  void append(const std::string& line, Sync sync);
  void write_puts();

  std::filesystem::path path_;
  io::FileLock lock_;
  std::optional<UploadRecord> record_;
  std::optional<io::File> file_;
  std::vector<std::uint32_t> puts_;
};

}  // namespace imgbuild
