#include "publish/xml.h"

#include <gtest/gtest.h>

#include "complaint.h"
#include "util/error.h"

namespace imgbuild {
namespace {

TEST(Xml, GivesElementsListsAndTexts) {
  const XmlNode root = parse_xml(R"(<?xml version="1.0" encoding="UTF-8"?>
<DescribeImagesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <imagesSet><item><imageId>ami-1</imageId><name>a &amp; &#60;b&gt;</name><x/></item><item><imageId>ami-2</imageId></item></imagesSet>
</DescribeImagesResponse>)");
  ASSERT_EQ(root.items("imagesSet").size(), 2U);
  EXPECT_EQ(root.items("imagesSet")[0]->text_of("name"), "a & <b>");
  EXPECT_EQ(root.items("imagesSet")[1]->text_of("imageId"), "ami-2");
  EXPECT_EQ(root.text_of("imagesSet/item/imageId"), "ami-1");
  EXPECT_EQ(root.text_of("nothing/there"), "");
}

std::string complaint(const std::string& text) {
  return complaint_of([&] { (void)parse_xml(text); });
}

TEST(Xml, RefusesWhatAwsNeverSends) {
  EXPECT_EQ(complaint("<a><b></a>"), "the answer closes another tag than it opened (XML, byte 8)");
  EXPECT_EQ(complaint("<a>"), "the answer ends early (XML, byte 3)");
  EXPECT_EQ(complaint("<!DOCTYPE a><a/>"), "the answer is no plain XML (XML, byte 0)");
  EXPECT_EQ(complaint("<a>&x;</a>"), "the answer has an unknown entity (XML, byte 3)");
  EXPECT_EQ(complaint("<a/><b/>"), "the answer holds something behind its end (XML, byte 4)");
  EXPECT_EQ(complaint(""), "the answer is no plain XML (XML, byte 0)");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  EXPECT_EQ(complaint(deep), "the answer is nested too deep (XML, byte 195)");
}

}  // namespace
}  // namespace imgbuild
