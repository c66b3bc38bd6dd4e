#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>
#include <vector>

#include "util/io.h"

namespace imgbuild {

/// What a link met on the way to a name does.
enum class Links {
  inside,  ///< is followed as after chroot: it can't lead out of the folder
  refuse,  ///< is an error
};

/// A folder seen as the root of a tree made by others. Paths are those of the tree ("/etc/hosts"; the leading slash may be
/// missing) and never lead out of it, whatever links it holds. A link in last place is not followed, but for reading.
/// Every method that gets a path throws Error with the folder and the path.
class RootFolder {
 public:
  /// Throws Error if there is no such folder, or (host unfit) if the kernel is older than 5.6 (openat2).
  explicit RootFolder(const std::filesystem::path& folder);

  [[nodiscard]] const std::filesystem::path& path() const { return root_.path(); }
  [[nodiscard]] int fd() const { return root_.fd(); }

  /// A handle (O_PATH) of a folder, for the *at calls.
  [[nodiscard]] io::File open_folder(std::string_view path, Links links) const;
  /// A file opened for reading.
  [[nodiscard]] io::File open_file(std::string_view path) const;
  /// As lstat says; nothing when it, or a folder on the way, is absent.
  [[nodiscard]] std::optional<struct stat> status(std::string_view path) const;
  [[nodiscard]] bool exists(std::string_view path) const { return status(path).has_value(); }
  [[nodiscard]] std::string read_link(std::string_view path) const;
  [[nodiscard]] std::string read_file(std::string_view path) const;

  /// Replaces what is there with a file owned by root; the folders on the way must exist.
  void write_file(std::string_view path, std::string_view bytes, mode_t mode) const;
  /// Creates a file for writing in place of what is there (a folder is an error).
  [[nodiscard]] io::File create_file(std::string_view path, mode_t mode) const;
  /// Makes a folder and those on the way, owned by root; existing ones stay as they are.
  void make_folder(std::string_view path, mode_t mode) const;
  /// Makes a link in place of what is there (a folder is an error).
  void make_link(std::string_view path, const std::string& target) const;
  /// Removes whatever is there with all below it. Absent is fine.
  void remove(std::string_view path) const;
  /// Removes all below a folder, but not itself. Absent is fine.
  void empty_folder(std::string_view path) const;

  /// Paths (with leading slash, sorted by bytes) that match a pattern, whose components may hold '*', '?' and '[…]'.
  /// As in a shell a leading dot must be spelled out.
  [[nodiscard]] std::vector<std::string> glob(std::string_view pattern) const;

 private:
  io::File root_;
};

/// The path's folder and last component: "/etc/hosts" → ("/etc", "hosts").
[[nodiscard]] std::pair<std::string_view, std::string_view> split_path(std::string_view path);

/// One thing in a tree, as list_tree found it.
struct TreeEntry {
  std::string path;  ///< relative: "etc/hosts"; "" for the root itself
  struct stat status;
};

/// All of a tree, the root first, sorted by path in byte order (so a folder comes before what it holds). Throws
/// Interrupted.
[[nodiscard]] std::vector<TreeEntry> list_tree(const RootFolder& root);

/// An extended attribute.
struct Attribute {
  std::string name;
  std::string value;
  auto operator<=>(const Attribute&) const = default;
};

/// True for attributes that are part of a tree: capabilities, POSIX ACLs and the user's own. Not those of the machine it was
/// made on (security labels, overlayfs).
[[nodiscard]] bool is_tree_attribute(std::string_view name);

/// The tree's attributes of an open file or folder, sorted by name.
[[nodiscard]] std::vector<Attribute> read_attributes(const io::File& file);

}  // namespace imgbuild
