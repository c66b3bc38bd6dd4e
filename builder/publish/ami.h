#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "publish/ec2.h"
#include "publish/snapshot_upload.h"

namespace imgbuild {

inline constexpr const char* kRoleTag = "imgbuild:role";
/// Followed by each role that the image serves: several may share one.
inline constexpr const char* kServesTag = "imgbuild:role:";
inline constexpr const char* kPlanTag = "imgbuild:plan";          ///< the plan's digest
inline constexpr const char* kDiskTag = "imgbuild:disk";          ///< digest of the disk's block map
inline constexpr const char* kEncryptionTag = "imgbuild:encryption";  ///< "none", "default", or the key
inline constexpr const char* kArtifactTag = "imgbuild:artifact";  ///< digest of the file that was uploaded

/// What an image is, in AWS's tags and in its name.
struct AmiIdentity {
  std::string role;      ///< for whom it was uploaded
  std::vector<std::string> roles;  ///< all that it serves
  std::string plan;      ///< may be empty: made by another program
  std::string artifact;  ///< may be empty
  std::string disk;
  std::string encryption = "default";

  /// "imgbuild-ROLE-…": the same disk, encrypted alike, has one name, and AWS gives a name once.
  [[nodiscard]] std::string name() const;
  [[nodiscard]] Tags tags() const;
};

struct Ami {
  std::string id;
  std::string name;
  std::string state;
  std::string created;
  Tags tags;
  std::vector<std::string> snapshots;

  /// Empty if it has none.
  [[nodiscard]] std::string tag(const std::string& key) const {
    const auto found = tags.find(key);
    return found == tags.end() ? "" : found->second;
  }
};

/// Our images of the region, or those of them with a tag's value; sorted by creation. Those that were deleted moments ago, which AWS
/// still shows, are left out here and below.
[[nodiscard]] std::vector<Ami> list_amis(Aws& aws, const std::string& tag = {}, const std::string& value = {});
/// Throws Error (bad input) if there is none of that id that is ours.
[[nodiscard]] Ami get_ami(Aws& aws, const std::string& id);
/// The image of that name, of ours. One that AWS could not make is deregistered, for it keeps the name.
[[nodiscard]] std::optional<Ami> find_ami(Aws& aws, const std::string& name);
/// The snapshots that images of the account have.
[[nodiscard]] std::set<std::string> snapshots_of_images(Aws& aws);

struct Registration {
  AmiIdentity identity;
  std::string snapshot;
  std::uint64_t volume_gib = 0;
  std::string boot_mode;
};
/// RegisterImage with everything whose default is of 2006: x86_64, HVM, ENA, IMDSv2. Then the tags, and waits until it is available.
/// An image that is there under its name already is taken.
[[nodiscard]] std::string register_ami(Aws& aws, const Registration& registration);

/// Waits until it is available. Throws Error with AWS's word if it fails.
void wait_for_ami(Aws& aws, const std::string& id);
void tag_resources(Aws& aws, const std::vector<std::string>& ids, const Tags& tags);

/// The image and its snapshots (those that no other image has). Returns what was deleted. Throws Error if AWS does not let go of a
/// snapshot within two minutes.
std::vector<std::string> delete_ami(Aws& aws, const Ami& ami);

/// Begins a copy in the region of 'to', or finds the one that is there. Returns its id.
[[nodiscard]] std::string begin_copy(Aws& from, Aws& to, const Ami& ami, const Encryption& encryption);
/// Waits until it is available, and gives it and its snapshots the tags of 'ami', with its own encryption.
void finish_copy(Aws& to, const std::string& id, const Ami& ami, const Encryption& encryption);

/// Throws Error (bad input) for what is no account id.
void require_accounts(const std::vector<std::string>& accounts);
/// Lets accounts start it: the image and its snapshots.
void share_ami(Aws& aws, const Ami& ami, const std::vector<std::string>& accounts);

/// What the user or role may not do, of "RegisterImage", …, by asking with DryRun. Changes nothing.
[[nodiscard]] std::vector<std::string> forbidden_calls(Aws& aws, const std::vector<std::string>& actions);

}  // namespace imgbuild
