#pragma once

#include <optional>
#include <string>
#include <vector>

#include "publish/ec2.h"

namespace imgbuild {

inline constexpr const char* kRoleTag = "imgbuild:role";
/// Followed by each role that the image serves: several may share one.
inline constexpr const char* kServesTag = "imgbuild:role:";
inline constexpr const char* kPlanTag = "imgbuild:plan";          ///< the plan's digest
inline constexpr const char* kDiskTag = "imgbuild:disk";          ///< digest of the disk's block map
inline constexpr const char* kArtifactTag = "imgbuild:artifact";  ///< digest of the file that was uploaded

/// What an image is, in AWS's tags and in its name.
struct AmiIdentity {
  std::string role;      ///< for whom it was uploaded
  std::vector<std::string> roles;  ///< all that it serves
  std::string plan;      ///< may be empty: made by another program
  std::string artifact;  ///< may be empty
  std::string disk;

  /// "imgbuild-ROLE-…": the same disk has one name, and AWS gives a name once.
  [[nodiscard]] std::string name() const { return "imgbuild-" + role + "-" + disk.substr(0, 16); }
  [[nodiscard]] Tags tags() const;
};

struct Ami {
  std::string id;
  std::string name;
  std::string state;
  std::string created;
  Tags tags;
  std::vector<std::string> snapshots;
};

/// Our images of the region, or those of them with a tag's value; sorted by creation.
[[nodiscard]] std::vector<Ami> list_amis(Aws& aws, const std::string& tag = {}, const std::string& value = {});
/// Throws Error (bad input) if there is none of that id that is ours.
[[nodiscard]] Ami get_ami(Aws& aws, const std::string& id);
/// The image of that name, of ours.
[[nodiscard]] std::optional<Ami> find_ami(Aws& aws, const std::string& name);

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

/// The image and its snapshots (those that no other image has). Returns what was deleted.
std::vector<std::string> delete_ami(Aws& aws, const Ami& ami);

/// A copy in the region of 'to', encrypted as 'encryption' says; the one that is there already if there is. Returns its id, waited for.
[[nodiscard]] std::string copy_ami(Aws& from, Aws& to, const Ami& ami, const std::string& kms_key);

/// Lets accounts start it: the image and its snapshots. Throws Error (bad input) for what is no account id.
void share_ami(Aws& aws, const Ami& ami, const std::vector<std::string>& accounts);

/// What the user or role may not do, of "RegisterImage", …, by asking with DryRun. Changes nothing.
[[nodiscard]] std::vector<std::string> forbidden_calls(Aws& aws, const std::vector<std::string>& actions);

}  // namespace imgbuild
