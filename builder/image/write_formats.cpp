#include <algorithm>

#include "image/format.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/parallel.h"

namespace imgbuild {
namespace fs = std::filesystem;

namespace {

/// Of pieces with all that is made of them, on their way from the disk into files.
constexpr std::uint64_t kMostMemory = 100 << 20;

std::vector<DiskWriter> open_writers(const DiskToWrite& disk, const std::vector<FormatRequest>& requests) {
  std::vector<DiskWriter> writers;
  for (const FormatRequest& request : requests) writers.push_back(find_format(request.format).open(disk, request.out));
  return writers;
}

std::set<Encoding> needs_of(const std::vector<DiskWriter>& writers) {
  std::set<Encoding> needs;
  for (const DiskWriter& writer : writers) needs.insert(writer.needs.begin(), writer.needs.end());
  return needs;
}

void read_once(DiskReader& disk, const std::vector<DiskWriter>& writers) {
  const std::set<Encoding> needs = needs_of(writers);
  const auto next = [&] { return disk.next(); };
  const auto make = [&](std::uint64_t offset) {
    check_interrupt();
    Piece piece = disk.read(offset);
    encode(piece, needs);
    return piece;
  };
  const auto use = [&](const Piece& piece) {
    for (const DiskWriter& writer : writers) writer.add(piece);
  };
  OrderedWork(kMostMemory / (kPiece * (1 + needs.size())), next, make, use).run();
}

/// If one can't be, none stays. One whose name could not be synced has it already.
void commit_all(const std::vector<DiskWriter>& writers, const std::vector<FormatRequest>& requests) {
  try {
    for (const DiskWriter& writer : writers) writer.file->commit();
  } catch (...) {
    for (const FormatRequest& request : requests) {
      if (fs::is_regular_file(fs::symlink_status(request.out))) io::remove_file(request.out);
    }
    throw;
  }
}

}  // namespace

std::vector<std::string> write_formats(const fs::path& raw, const std::string& name, const std::vector<FormatRequest>& requests) {
  DiskReader disk(raw);
  const std::vector<DiskWriter> writers = open_writers({.length = disk.length(), .name = name}, requests);
  read_once(disk, writers);
  for (const DiskWriter& writer : writers) writer.finish();
  std::vector<std::string> digests(writers.size());
  in_parallel(writers.size(), [&](std::size_t i) { digests[i] = writers[i].file->finish(); });
  commit_all(writers, requests);
  return digests;
}

}  // namespace imgbuild
