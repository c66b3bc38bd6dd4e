#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <memory>

/// Owners of libarchive's objects. Included by the files that read and write archives and by no header of theirs.
namespace imgbuild {

using ArchiveReader = std::unique_ptr<archive, decltype([](archive* handle) { (void)archive_read_free(handle); })>;
/// Freeing does not finish the archive: archive_write_close comes before it, and its result is checked.
using ArchiveWriter = std::unique_ptr<archive, decltype([](archive* handle) { (void)archive_write_free(handle); })>;
using ArchiveEntry = std::unique_ptr<archive_entry, decltype([](archive_entry* entry) { archive_entry_free(entry); })>;

}  // namespace imgbuild
