#pragma once

#include <string>
#include <vector>

namespace imgbuild {

/// What the printed policy is for.
struct PolicyRequest {
  std::string partition = "aws";  ///< as in ARNs: "aws-cn"
  std::string bucket;             ///< empty: EBS direct only
  std::vector<std::string> kms_keys;  ///< ARNs; none: the account's default keys, which need no grant of their own
  enum class Launch { no, yes } launch = Launch::no;  ///< ami launch too
};

/// The IAM policy that `ami` needs, no more: JSON, indented.
[[nodiscard]] std::string iam_policy(const PolicyRequest& request);

/// The trust and access policies of the role by which EC2 reads the bucket (vmimport): {"trust": …, "access": …}.
[[nodiscard]] std::string import_role_policies(const PolicyRequest& request);

}  // namespace imgbuild
