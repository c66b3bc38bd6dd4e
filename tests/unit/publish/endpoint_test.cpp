#include "publish/endpoint.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace imgbuild {
namespace {

struct Case {
  const char* name;
  const char* service;
  const char* region;
  Fips fips;
  const char* endpoint;
};

class RegionalEndpoint : public testing::TestWithParam<Case> {};

TEST_P(RegionalEndpoint, IsThatOfBotocore) { EXPECT_EQ(regional_endpoint(GetParam().service, GetParam().region, GetParam().fips), GetParam().endpoint); }

INSTANTIATE_TEST_SUITE_P(
    Regions, RegionalEndpoint,
    testing::Values(Case{"europe", "ebs", "eu-central-1", Fips::no, "https://ebs.eu-central-1.amazonaws.com"},
                    Case{"fips", "ebs", "us-east-1", Fips::yes, "https://ebs-fips.us-east-1.amazonaws.com"},
                    Case{"fips_of_s3", "s3", "us-west-2", Fips::yes, "https://s3-fips.us-west-2.amazonaws.com"},
                    Case{"china", "ec2", "cn-north-1", Fips::no, "https://ec2.cn-north-1.amazonaws.com.cn"},
                    Case{"us_government", "ec2", "us-gov-west-1", Fips::no, "https://ec2.us-gov-west-1.amazonaws.com"},
                    Case{"us_government_fips", "ec2", "us-gov-west-1", Fips::yes, "https://ec2.us-gov-west-1.amazonaws.com"},
                    Case{"us_government_fips_of_ebs", "ebs", "us-gov-west-1", Fips::yes, "https://ebs-fips.us-gov-west-1.amazonaws.com"},
                    Case{"european_sovereign_cloud", "s3", "eusc-de-east-1", Fips::no, "https://s3.eusc-de-east-1.amazonaws.eu"},
                    Case{"iso", "ec2", "us-iso-east-1", Fips::no, "https://ec2.us-iso-east-1.c2s.ic.gov"},
                    Case{"iso_b", "ec2", "us-isob-east-1", Fips::no, "https://ec2.us-isob-east-1.sc2s.sgov.gov"},
                    Case{"iso_e", "ec2", "eu-isoe-west-1", Fips::no, "https://ec2.eu-isoe-west-1.cloud.adc-e.uk"},
                    Case{"iso_f", "ec2", "us-isof-south-1", Fips::no, "https://ec2.us-isof-south-1.csp.hci.ic.gov"}),
    [](const auto& instance) { return instance.param.name; });

TEST(Partition, IsThatOfArns) {
  EXPECT_EQ(partition_of("mx-central-1").id, "aws");
  EXPECT_EQ(partition_of("cn-northwest-1").id, "aws-cn");
  EXPECT_EQ(partition_of("us-gov-east-1").id, "aws-us-gov");
  EXPECT_EQ(partition_of("eusc-de-east-1").id, "aws-eusc");
}

TEST(Endpoint, IsForFipsWhereTheEnvironmentSaysSo) {
  ASSERT_EQ(::unsetenv("AWS_ENDPOINT_URL"), 0);
  ASSERT_EQ(::setenv("AWS_USE_FIPS_ENDPOINT", "True", 1), 0);
  EXPECT_EQ(endpoint_of("ec2", "us-east-2"), "https://ec2-fips.us-east-2.amazonaws.com");
  ASSERT_EQ(::unsetenv("AWS_USE_FIPS_ENDPOINT"), 0);
  EXPECT_EQ(endpoint_of("ec2", "us-east-2"), "https://ec2.us-east-2.amazonaws.com");
}

}  // namespace
}  // namespace imgbuild
