#pragma once

#include <filesystem>
#include <string>

#include "tree/guest.h"
#include "util/root_folder.h"

namespace imgbuild {

/// The file half of Guest for a tree that is a folder of the host; native and fake guest share it.
class FolderGuest : public Guest {
 public:
  explicit FolderGuest(const std::filesystem::path& tree) : root_(tree) {}

  void write_file(const std::string& path, std::string_view bytes, mode_t mode) override;
  [[nodiscard]] std::string read_file(const std::string& path) override;
  [[nodiscard]] bool exists(const std::string& path) override;
  void remove(const std::string& path) override;
  void make_folder(const std::string& path) override;
  std::string copy_file_in(const std::filesystem::path& file, const std::string& path, mode_t mode) override;
  void copy_folder_in(const std::filesystem::path& folder, const std::string& path) override;
  [[nodiscard]] std::vector<std::string> list(const std::string& pattern) override;
  void finish() override {}

 protected:
  [[nodiscard]] const RootFolder& root() const { return root_; }

 private:
  RootFolder root_;
};

/// One thing of a folder that is to be copied into a tree.
struct FolderItem {
  std::string path;  ///< relative, "etc/nginx/nginx.conf"
  enum class Kind { folder, file, program, link } kind;
};

/// What a folder of the host holds, sorted by path. Python's caches are left out. Throws Error (bad input) on anything
/// but files, folders and links.
[[nodiscard]] std::vector<FolderItem> folder_items(const std::filesystem::path& folder);

}  // namespace imgbuild
