#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "publish/aws.h"
#include "publish/xml.h"

namespace imgbuild {

/// The parameters of a call in EC2's query protocol: "BlockDeviceMapping.1.Ebs.SnapshotId" → value.
using Ec2Parameters = std::vector<std::pair<std::string, std::string>>;
using Tags = std::map<std::string, std::string>;

/// A call of EC2; its answer's root element. Throws AwsError.
XmlNode ec2_call(Aws& aws, const std::string& action, const Ec2Parameters& parameters);

/// The items of 'set' in the answers, page after page.
[[nodiscard]] std::vector<XmlNode> ec2_list(Aws& aws, const std::string& action, const Ec2Parameters& parameters, const std::string& set);

/// The same with DryRun: whether it would be allowed. Other refusals than that of permission count as allowed: they come after it.
enum class Allowed { no, yes };
[[nodiscard]] Allowed ec2_dry_run(Aws& aws, const std::string& action, Ec2Parameters parameters);

/// "PREFIX.1.Key", "PREFIX.1.Value", …
void add_tags(Ec2Parameters& parameters, const std::string& prefix, const Tags& tags);
/// "Filter.N.Name" and its one value.
void add_filter(Ec2Parameters& parameters, int number, const std::string& name, const std::string& value);
[[nodiscard]] Tags read_tags(const XmlNode& node);

/// A snapshot as EC2 tells of it.
struct SnapshotFacts {
  std::string id;
  std::string state;  ///< pending, completed, error
  std::string progress;
  std::uint64_t volume_gib = 0;
  Tags tags;
};
/// Those that are ours and have the filter's tag; with 'ids' exactly these.
[[nodiscard]] std::vector<SnapshotFacts> find_snapshots(Aws& aws, const std::string& tag, const std::string& value);
/// Nothing if it does not exist.
[[nodiscard]] std::optional<SnapshotFacts> find_snapshot(Aws& aws, const std::string& id);
/// Asks until it is completed. Throws Error if it fails, or takes longer than an hour.
void wait_for_snapshot(Aws& aws, const std::string& id);
enum class Deleted { absent, in_use, yes };
/// One that an image has stays.
Deleted delete_snapshot(Aws& aws, const std::string& id);

/// Waits between two questions about the state of something; throws Interrupted. Delays grow from 0.2 s to 5 s.
class Poll {
 public:
  void wait();

 private:
  std::chrono::milliseconds delay_{200};
};

}  // namespace imgbuild
