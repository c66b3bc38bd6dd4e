#include "publish/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>

namespace imgbuild {
namespace {

struct PartitionRow {
  std::string_view prefix;  ///< of its regions
  const char* id;
  const char* dns_suffix;
};

/// botocore, data/partitions.json.
constexpr PartitionRow kPartitions[] = {{"cn-", "aws-cn", "amazonaws.com.cn"},      {"us-gov-", "aws-us-gov", "amazonaws.com"},
                                        {"eusc-", "aws-eusc", "amazonaws.eu"},      {"us-iso-", "aws-iso", "c2s.ic.gov"},
                                        {"us-isob-", "aws-iso-b", "sc2s.sgov.gov"}, {"eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"},
                                        {"us-isof-", "aws-iso-f", "csp.hci.ic.gov"}};

template <int (*Change)(int)>
std::string each(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(Change(c)); });
  return text;
}

std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

}  // namespace

AwsPartition partition_of(const std::string& region) {
  for (const PartitionRow& row : kPartitions) {
    if (region.starts_with(row.prefix)) return {.id = row.id, .dns_suffix = row.dns_suffix};
  }
  return {.id = "aws", .dns_suffix = "amazonaws.com"};
}

std::string regional_endpoint(const std::string& service, const std::string& region, Fips fips) {
  const AwsPartition partition = partition_of(region);
  const bool is_fips_anyway = service == "ec2" && partition.id == "aws-us-gov";  // and has no name of its own for it
  const char* kind = fips == Fips::yes && !is_fips_anyway ? "-fips" : "";
  return fmt::format("https://{}{}.{}.{}", service, kind, region, partition.dns_suffix);
}

std::string endpoint_of(const std::string& service, const std::string& region) {
  std::string url = variable("AWS_ENDPOINT_URL_" + each<std::toupper>(service));
  if (url.empty()) url = variable("AWS_ENDPOINT_URL");
  if (url.empty()) url = regional_endpoint(service, region, each<std::tolower>(variable("AWS_USE_FIPS_ENDPOINT")) == "true" ? Fips::yes : Fips::no);
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace imgbuild
