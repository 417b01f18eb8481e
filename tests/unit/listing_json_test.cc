// The listing for programs: always one JSON text, whose references lead where they should.
#include "server/listing/listing_json.h"

#include <nlohmann/json.hpp>

#include "server/listing/text.h"
#include "tests/unit/listing_support.h"

namespace ringserve::listing {
namespace {

std::string text_of(const Contents& contents, uint64_t bytes_max = kListingBytesMax) {
  std::string text;
  const Sink sink = [&text](std::string_view piece) {
    text += piece;
    return true;
  };
  write_json(contents, sink, bytes_max);
  return text;
}

nlohmann::json json_of(const Contents& contents, uint64_t bytes_max = kListingBytesMax) {
  return nlohmann::json::parse(text_of(contents, bytes_max));
}

TEST(ListingJson, says_what_is_there) {
  Contents contents;
  contents.path = "docs/";
  contents.entries = {directory_entry("sub"), file_entry("a b", 12)};
  const auto expected = nlohmann::json::parse(R"({
    "path": "/docs/",
    "entries": [
      {"name": "sub", "href": "./sub/", "type": "directory", "modified": "2026-11-21T06:40:00Z"},
      {"name": "a b", "href": "./a%20b", "type": "file", "size_bytes": 12,
       "modified": "2026-11-21T06:40:00Z"}],
    "truncated": false, "total": 2})");
  EXPECT_EQ(json_of(contents), expected);
}

TEST(ListingJson, an_empty_directory_has_no_entries) {
  const nlohmann::json json = json_of({});
  EXPECT_EQ(json.at("path"), "/");
  EXPECT_TRUE(json.at("entries").is_array());
  EXPECT_EQ(json.at("entries").size(), 0U);
  EXPECT_EQ(json.at("total"), 0);
}

TEST(ListingJson, every_reference_leads_to_its_name) {
  Contents contents;
  contents.path = "\xff\"/";
  for (const std::string& name : kHostileNames) contents.entries.push_back(file_entry(name));
  const nlohmann::json json = json_of(contents);
  EXPECT_EQ(json.at("path"), "/\uFFFD\"/");
  ASSERT_EQ(json.at("entries").size(), kHostileNames.size());
  for (size_t i = 0; i < kHostileNames.size(); ++i) {
    const nlohmann::json& entry = json.at("entries").at(i);
    EXPECT_TRUE(leads_to(entry.at("href"), kHostileNames[i]));
    EXPECT_EQ(entry.at("name"), as_utf8(kHostileNames[i]));
  }
}

TEST(ListingJson, what_is_no_utf8_is_replaced) {
  EXPECT_EQ(as_utf8("ümläut"), "ümläut");
  EXPECT_EQ(as_utf8("\xff-\xe9"), "\uFFFD-\uFFFD");
  EXPECT_EQ(as_utf8("cut-\xe2\x82"), "cut-\uFFFD");
}

TEST(ListingJson, one_too_long_is_cut_and_says_so) {
  constexpr uint64_t kLimit = 100'000;
  Contents contents;
  for (int i = 0; i < 10'000; ++i) contents.entries.push_back(file_entry(std::to_string(i)));
  EXPECT_EQ(json_of(contents).at("truncated"), false);
  contents.unlisted = 5;
  const nlohmann::json whole = json_of(contents);
  EXPECT_EQ(whole.at("entries").size(), 10'000U);
  EXPECT_EQ(whole.at("truncated"), true);
  EXPECT_EQ(whole.at("total"), 10'005);

  contents.unlisted = 0;
  EXPECT_LT(text_of(contents, kLimit).size(), kLimit + 4096);
  const nlohmann::json cut = json_of(contents, kLimit);
  EXPECT_GT(cut.at("entries").size(), 100U);
  EXPECT_LT(cut.at("entries").size(), 10'000U);
  EXPECT_EQ(cut.at("truncated"), true);
  EXPECT_EQ(cut.at("total"), 10'000);
}

TEST(ListingJson, stops_when_told) {
  Contents contents;
  for (int i = 0; i < 10'000; ++i) contents.entries.push_back(file_entry(std::to_string(i)));
  size_t pieces = 0;
  const Sink enough = [&pieces](std::string_view) { return ++pieces < 3; };
  write_json(contents, enough);
  EXPECT_EQ(pieces, 3U);
}

}  // namespace
}  // namespace ringserve::listing
