#pragma once

#include <string>

namespace imgbuild {

/// A part of AWS with accounts, regions and names of its own.
struct AwsPartition {
  std::string id;          ///< as in ARNs: "aws", "aws-cn"
  std::string dns_suffix;  ///< "amazonaws.com"
};

/// That of a region, told by the region's name; "aws" for one that is not known.
[[nodiscard]] AwsPartition partition_of(const std::string& region);

/// Whether to speak with servers whose cryptography is validated by FIPS 140.
enum class Fips { no, yes };

/// "https://ec2.eu-central-1.amazonaws.com", as botocore's endpoint rules have it.
[[nodiscard]] std::string regional_endpoint(const std::string& service, const std::string& region, Fips fips);

/// Where a service is, without a slash at the end: AWS_ENDPOINT_URL_EC2 (EBS, S3), AWS_ENDPOINT_URL, or AWS's, for FIPS 140 if
/// AWS_USE_FIPS_ENDPOINT is "true".
[[nodiscard]] std::string endpoint_of(const std::string& service, const std::string& region);

}  // namespace imgbuild
