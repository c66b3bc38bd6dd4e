#include "publish/ec2.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "util/interrupt.h"

namespace imgbuild {
namespace {

using std::chrono::milliseconds;

constexpr const char* kVersion = "2016-11-15";
constexpr const char* kFormType = "application/x-www-form-urlencoded; charset=utf-8";
constexpr milliseconds kMostDelay{5'000};
constexpr std::chrono::hours kMostWait{1};

std::string form(const std::string& action, const Ec2Parameters& parameters) {
  std::string text = "Action=" + action + "&Version=" + kVersion;
  for (const auto& [name, value] : parameters) text += "&" + percent_encode(name) + "=" + percent_encode(value);
  return text;
}

/// Image and snapshot ids of answers moments old may be unknown elsewhere for a while. Those of a dry run are made up.
AwsCall::Fresh freshness(const std::string& action, const Ec2Parameters& parameters) {
  const bool is_dry = std::ranges::find(parameters, "DryRun", &Ec2Parameters::value_type::first) != parameters.end();
  return !is_dry && (action == "RegisterImage" || action == "CreateTags") ? AwsCall::Fresh::yes : AwsCall::Fresh::no;
}

/// 0 for what is none.
std::uint64_t number_of(const std::string& text) {
  std::uint64_t number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::vector<SnapshotFacts> snapshots_of(Aws& aws, const Ec2Parameters& parameters) {
  std::vector<SnapshotFacts> found;
  for (const XmlNode& item : ec2_list(aws, "DescribeSnapshots", parameters, "snapshotSet")) {
    found.push_back({.id = item.text_of("snapshotId"), .state = item.text_of("status"), .progress = item.text_of("progress"),
                     .volume_gib = number_of(item.text_of("volumeSize")), .tags = read_tags(item)});
  }
  return found;
}

}  // namespace

XmlNode ec2_call(Aws& aws, const std::string& action, const Ec2Parameters& parameters) {
  const std::string body = form(action, parameters);
  const HttpAnswer answer = aws.call({.service = "ec2", .operation = action, .headers = {{"content-type", kFormType}},
                                      .body = [&body] { return body; }, .fresh = freshness(action, parameters)});
  return parse_xml(answer.body);
}

std::vector<XmlNode> ec2_list(Aws& aws, const std::string& action, const Ec2Parameters& parameters, const std::string& set) {
  std::vector<XmlNode> all;
  for (std::string token;;) {
    Ec2Parameters page = parameters;
    if (!token.empty()) page.emplace_back("NextToken", token);
    const XmlNode answer = ec2_call(aws, action, page);
    for (const XmlNode* item : answer.items(set)) all.push_back(*item);
    token = answer.text_of("nextToken");
    if (token.empty()) return all;
  }
}

Allowed ec2_dry_run(Aws& aws, const std::string& action, Ec2Parameters parameters) {
  parameters.emplace_back("DryRun", "true");
  try {
    (void)ec2_call(aws, action, parameters);
  } catch (const AwsError& error) {
    if (error.aws_code() == "UnauthorizedOperation") return Allowed::no;
    if (error.aws_code() == "AuthFailure" || error.aws_code() == "InvalidClientTokenId" || error.aws_code() == "SignatureDoesNotMatch" ||
        error.aws_code() == "UnrecognizedClientException") {
      throw;  // nothing is allowed to whoever this is
    }
  }
  return Allowed::yes;
}

void add_tags(Ec2Parameters& parameters, const std::string& prefix, const Tags& tags) {
  int number = 0;
  for (const auto& [key, value] : tags) {
    ++number;
    parameters.emplace_back(fmt::format("{}.{}.Key", prefix, number), key);
    parameters.emplace_back(fmt::format("{}.{}.Value", prefix, number), value);
  }
}

void add_filter(Ec2Parameters& parameters, int number, const std::string& name, const std::string& value) {
  parameters.emplace_back(fmt::format("Filter.{}.Name", number), name);
  parameters.emplace_back(fmt::format("Filter.{}.Value.1", number), value);
}

Tags read_tags(const XmlNode& node) {
  Tags tags;
  for (const XmlNode* item : node.items("tagSet")) tags[item->text_of("key")] = item->text_of("value");
  return tags;
}

std::vector<SnapshotFacts> find_snapshots(Aws& aws, const std::string& tag, const std::string& value) {
  Ec2Parameters parameters = {{"Owner.1", "self"}};
  add_filter(parameters, 1, value.empty() ? "tag-key" : "tag:" + tag, value.empty() ? tag : value);
  return snapshots_of(aws, parameters);
}

std::optional<SnapshotFacts> find_snapshot(Aws& aws, const std::string& id) {
  try {
    std::vector<SnapshotFacts> found = snapshots_of(aws, {{"SnapshotId.1", id}});
    return found.empty() ? std::nullopt : std::optional(found.front());
  } catch (const AwsError& error) {
    if (error.aws_code() == "InvalidSnapshot.NotFound") return std::nullopt;
    throw;
  }
}

void wait_for_snapshot(Aws& aws, const std::string& id) {
  aws.status().begin("waiting for " + id);
  const auto deadline = std::chrono::steady_clock::now() + kMostWait;
  for (Poll poll;; poll.wait()) {
    const std::optional<SnapshotFacts> facts = find_snapshot(aws, id);
    if (facts && facts->state == "completed") break;
    if (facts && facts->state == "error") throw Error(ExitCode::network, "{}: AWS could not complete the snapshot", id);
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::network, "{}: is not completed after an hour", id).set_hint("run the same command again to go on waiting");
    }
    if (facts) aws.status().progress(0, 0, facts->progress);
  }
  aws.status().end("");
}

Deleted delete_snapshot(Aws& aws, const std::string& id) {
  try {
    (void)ec2_call(aws, "DeleteSnapshot", {{"SnapshotId", id}});
    return Deleted::yes;
  } catch (const AwsError& error) {
    if (error.aws_code() == "InvalidSnapshot.NotFound") return Deleted::absent;
    if (error.aws_code() == "InvalidSnapshot.InUse") return Deleted::in_use;
    throw;
  }
}

void Poll::wait() {
  const auto end = std::chrono::steady_clock::now() + delay_;
  while (std::chrono::steady_clock::now() < end) {
    check_interrupt();
    std::this_thread::sleep_for(std::min(delay_, milliseconds(50)));
  }
  delay_ = std::min(kMostDelay, delay_ * 3 / 2);
}

}  // namespace imgbuild
