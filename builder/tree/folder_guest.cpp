#include "tree/folder_guest.h"

#include "util/digest.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace fs = std::filesystem;

void FolderGuest::write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  root_.write_file(path, bytes, mode);
}

std::string FolderGuest::read_file(const std::string& path) { return root_.read_file(path); }

bool FolderGuest::exists(const std::string& path) { return root_.exists(path); }

void FolderGuest::remove(const std::string& path) { root_.remove(path); }

void FolderGuest::make_folder(const std::string& path) { root_.make_folder(path, 0755); }

std::vector<std::string> FolderGuest::list(const std::string& pattern) { return root_.glob(pattern); }

std::string FolderGuest::copy_file_in(const fs::path& file, const std::string& path, mode_t mode) {
  const io::File source = io::open_for_reading(file);
  const io::File target = root_.create_file(path, mode);
  Sha256 digest;
  std::string buffer(1 << 20, '\0');
  while (const std::size_t size = io::read(source, buffer.data(), buffer.size())) {
    check_interrupt();
    digest.update({buffer.data(), size});
    io::write_all(target, {buffer.data(), size});
  }
  return digest.hex();
}

void FolderGuest::copy_folder_in(const fs::path& folder, const std::string& path) {
  const std::string base = path == "/" ? "" : path;
  root_.make_folder(path, 0755);
  for (const FolderItem& item : folder_items(folder)) {
    const std::string target = base + "/" + item.path;
    if (item.kind == FolderItem::Kind::folder) {
      root_.make_folder(target, 0755);
      continue;
    }
    const std::optional<struct stat> existing = root_.status(target);
    if (existing && S_ISDIR(existing->st_mode)) {
      throw Error(ExitCode::bad_input, "{}: can't replace '{}', which is a folder in the tree",
                  (folder / item.path).native(), target);
    }
    if (item.kind == FolderItem::Kind::link) {
      root_.make_link(target, fs::read_symlink(folder / item.path).native());
    } else {
      copy_file_in(folder / item.path, target, item.kind == FolderItem::Kind::program ? 0755 : 0644);
    }
  }
}

std::vector<FolderItem> folder_items(const fs::path& folder) {
  std::vector<FolderItem> items;
  for (const TreeEntry& entry : list_tree(RootFolder(folder))) {
    if (entry.path.empty() || is_python_cache(entry.path)) continue;
    const mode_t mode = entry.status.st_mode;
    if (S_ISDIR(mode)) {
      items.push_back({entry.path, FolderItem::Kind::folder});
    } else if (S_ISLNK(mode)) {
      items.push_back({entry.path, FolderItem::Kind::link});
    } else if (S_ISREG(mode)) {
      items.push_back({entry.path, (mode & S_IXUSR) != 0 ? FolderItem::Kind::program : FolderItem::Kind::file});
    } else {
      throw Error(ExitCode::bad_input, "{}: is no file, folder or link", (folder / entry.path).native());
    }
  }
  return items;
}

}  // namespace imgbuild
