#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "util/disk_layout.h"

namespace imgbuild {

/// A distribution's root tree and boot area, in the cache. It lies in a folder of its own, NAME-KEY:
///   base.json   this struct
///   tree.tar    pax, as archive_tree writes it
///   boot.raw    boot code and boot partitions at the disk's offsets; the rest of it is a hole
/// KEY is the first 16 digits of the digest, so a folder's content never changes; NAME has '_' for unusual
/// characters.
struct Base {
  std::string name;    ///< as recipes say it: "bootstrap", "ubuntu-24.04", or the path of an imported disk
  std::string digest;  ///< over tree, boot area and layout: what of a base can change an image
  std::filesystem::path folder;
  std::string tree_sha256;
  std::string boot_sha256;
  DiskLayout layout;
  std::string distribution;  ///< os-release's ID: "debian", "ubuntu"
  std::string release;       ///< os-release's VERSION_ID: "12", "24.04"
  std::string architecture;  ///< dpkg's: "amd64"
  std::chrono::sys_seconds made;
  std::map<std::string, std::string> origin;  ///< for the manifest: "kind", "source", "sha256", …

  [[nodiscard]] std::filesystem::path tree() const { return folder / "tree.tar"; }
  [[nodiscard]] std::filesystem::path boot() const { return folder / "boot.raw"; }
};

/// How much load_base checks.
enum class BaseCheck {
  record,   ///< that base.json is whole and the files are there; for who checks digests while reading
            ///< (extract_tree)
  content,  ///< the digests of both files too (about 0.5 s)
};

/// The base of this name made last, or nothing. Damaged ones count as absent; so does a cache that is not
/// there.
[[nodiscard]] std::optional<Base> load_base(const std::filesystem::path& bases, const std::string& name,
                                            BaseCheck check = BaseCheck::content);

/// All bases whose record is whole, by name, the one made last first.
[[nodiscard]] std::vector<Base> list_bases(const std::filesystem::path& bases);

/// The text of base.json.
[[nodiscard]] std::string to_json(const Base& base);
/// Throws Error (verification failed) if it is damaged; 'folder' is where it was found.
[[nodiscard]] Base base_from_json(const std::string& text, const std::filesystem::path& folder);

/// Takes a folder with the three files of a base into the cache, as save_base does, which empties it. Throws Error (verification
/// failed) if it is no whole base.
Base adopt_base(const std::filesystem::path& bases, const std::filesystem::path& folder);

/// What a base is saved from.
struct NewBase {
  Base base;                   ///< digests and folder are filled in
  std::filesystem::path tree;  ///< folder with the files
  std::filesystem::path disk;  ///< raw file to copy the boot area from
};

/// Archives the tree and the boot area and puts the base into the cache, where it appears complete or not at
/// all. An equal one that is there already is replaced, so that it counts as made last. Returns it as
/// load_base would.
Base save_base(const std::filesystem::path& bases, const NewBase& made);

/// The distribution of a tree.
struct OsRelease {
  std::string id;
  std::string version_id;
  std::string codename;
};

/// Reads an os-release file. Throws Error (bad input) that starts with 'origin' if it says no ID.
[[nodiscard]] OsRelease parse_os_release(const std::string& text, const std::string& origin);

}  // namespace imgbuild
