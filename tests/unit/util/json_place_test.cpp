#include "util/json_place.h"

#include <gtest/gtest.h>

#include "complaint.h"

namespace imgbuild {
namespace {

TEST(JsonPlace, IsWhereTheTextStopsToBeJson) {
  const auto complaint = [](const std::string& text) { return complaint_of([&] { (void)parse_json(text, "m.json"); }); };
  EXPECT_EQ(complaint(""), "m.json:1:1: is no JSON text from here on");
  EXPECT_EQ(complaint("{\"a\": 1,}"), "m.json:1:9: is no JSON text from here on");
  EXPECT_EQ(complaint("{\n  \"a\": 1\n  \"b\": 2\n}"), "m.json:3:5: is no JSON text from here on");
  EXPECT_EQ(complaint("{\n  \"a\": "), "m.json:2:8: is no JSON text from here on");
}

TEST(JsonPlace, KeepsTheOrderOfKeys) { EXPECT_EQ(parse_json("{\"b\": 1, \"a\": 2}", "m.json").dump(), "{\"b\":1,\"a\":2}"); }

}  // namespace
}  // namespace imgbuild
