#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "image/disk_piece.h"
#include "image/output_file.h"

namespace imgbuild {

/// What a writer must know before the first piece.
struct DiskToWrite {
  std::uint64_t length = 0;  ///< bytes, a multiple of 512
  std::string name;          ///< of the image, for formats that hold one; the same for all roles that share it
};

/// One file that is made while a disk is read.
struct DiskWriter {
  std::shared_ptr<OutputFile> file;
  std::set<Encoding> needs;                ///< what 'add' looks at besides the bytes
  std::function<void(const Piece&)> add;   ///< pieces in the order of their offsets; what is between them is zero
  std::function<void()> finish;            ///< after the last piece; the file is complete then, but for its name
};

/// A DiskWriter of an object with add(piece) and finish(), whose constructor takes the file and 'arguments'.
template <typename Writer, typename... Arguments>
DiskWriter make_disk_writer(std::shared_ptr<OutputFile> file, std::set<Encoding> needs, Arguments&&... arguments) {
  const auto writer = std::make_shared<Writer>(*file, std::forward<Arguments>(arguments)...);
  return {.file = std::move(file),
          .needs = std::move(needs),
          .add = [writer](const Piece& piece) { writer->add(piece); },
          .finish = [writer] { writer->finish(); }};
}

}  // namespace imgbuild
