// Ranges: RFC 9110 section 14.
#include "server/http/range.h"

#include <gtest/gtest.h>

#include <string>

namespace ringserve::http {
namespace {

std::string text_of(const ByteRange& range) {
  return std::to_string(range.offset) + "+" + std::to_string(range.length);
}

std::string ranged(std::string_view value, uint64_t size) {
  const RangeResult result = parse_range(value, size);
  switch (result.kind) {
    case RangeResult::whole: return "whole";
    case RangeResult::unsatisfiable: return "unsatisfiable";
    case RangeResult::part: return text_of(result.range);
    case RangeResult::parts: break;
  }
  std::string text;
  for (const ByteRange& range : result.ranges) text += (text.empty() ? "" : " ") + text_of(range);
  return text;
}

TEST(Range, selects_one_part) {
  EXPECT_EQ(ranged("bytes=0-0", 10), "0+1");
  EXPECT_EQ(ranged("bytes=2-5", 10), "2+4");
  EXPECT_EQ(ranged("bytes=2-", 10), "2+8");
  EXPECT_EQ(ranged("bytes=2-99", 10), "2+8");
  EXPECT_EQ(ranged("bytes=-3", 10), "7+3");
  EXPECT_EQ(ranged("bytes=-99", 10), "0+10");
  EXPECT_EQ(ranged("Bytes= 1-2 ", 10), "1+2");
  EXPECT_EQ(ranged("bytes=5368709119-", 5368709120), "5368709119+1");
  EXPECT_EQ(ranged("bytes=0-99999999999999999999999", 10), "0+10");
  EXPECT_EQ(ranged("bytes=-99999999999999999999999", 10), "0+10");
}

TEST(Range, may_lie_outside) {
  EXPECT_EQ(ranged("bytes=10-", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=99999999999999999999999-", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=-0", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=0-", 0), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=10-,-0, 20-30", 10), "unsatisfiable");
}

TEST(Range, of_the_last_bytes_of_nothing_is_the_whole) {
  EXPECT_EQ(ranged("bytes=-5", 0), "whole");
  EXPECT_EQ(ranged("bytes=0-, -5", 0), "whole");
}

TEST(Range, is_ignored_when_malformed) {
  for (const char* value :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1", "lines=0-1",
        "bytes=--1", "bytes=0x1-2", "bytes=1-2-3", "bytes=+1-2", "bytes=1 - 2", "bytes=,",
        "bytes 0-1", "bytes =0-1", "bytes=0-1;2-3", "bytes=\"0-1\""}) {
    EXPECT_EQ(ranged(value, 10), "whole") << value;
  }
}

TEST(Range, is_ignored_when_one_of_several_is_malformed) {
  EXPECT_EQ(ranged("bytes=0-1,a-b", 10'000), "whole");
  EXPECT_EQ(ranged("bytes=5-2,0-1", 10'000), "whole");
}

TEST(Ranges, keep_the_order_they_were_asked_in) {
  EXPECT_EQ(ranged("bytes=5000-5009,0-9,-5", 10'000), "5000+10 0+10 9995+5");
}

TEST(Ranges, may_have_blanks_and_empty_elements) {
  EXPECT_EQ(ranged("bytes= ,0-9 ,\t, 500-509 ,", 1000), "0+10 500+10");
}

TEST(Ranges, behind_the_end_are_left_out) {
  EXPECT_EQ(ranged("bytes=0-9,1000-,-0,500-509", 1000), "0+10 500+10");
  EXPECT_EQ(ranged("bytes=1000-,0-9", 1000), "0+10");
}

TEST(Ranges, that_overlap_or_nearly_touch_are_one) {
  EXPECT_EQ(ranged("bytes=0-9,5-14", 10'000), "0+15");
  EXPECT_EQ(ranged("bytes=0-9,10-19", 10'000), "0+20");
  EXPECT_EQ(ranged("bytes=0-9,138-139", 10'000), "0+140") << "a gap of 128 bytes";
  EXPECT_EQ(ranged("bytes=0-9,139-139", 10'000), "0+10 139+1") << "a gap of 129 bytes";
  EXPECT_EQ(ranged("bytes=138-139,0-9", 10'000), "0+140");
  EXPECT_EQ(ranged("bytes=100-199,0-", 10'000), "0+10000");
}

TEST(Ranges, that_a_later_one_joins_are_one_at_the_place_of_the_first) {
  EXPECT_EQ(ranged("bytes=9000-9000,0-9,5000-5009,8-5000", 10'000), "9000+1 0+5010");
  EXPECT_EQ(ranged("bytes=2000-2009,1000-1009,0-9,5000-5000,0-2000", 10'000), "0+2010 5000+1");
}

TEST(Ranges, are_bounded_in_number) {
  std::string spread = "bytes=";
  for (size_t i = 0; i < kRangesMax; ++i)
    spread += std::to_string(i * 1000) + "-" + std::to_string(i * 1000) + ",";
  const RangeResult fits = parse_range(spread, 1'000'000);
  EXPECT_EQ(fits.kind, RangeResult::parts);
  EXPECT_EQ(fits.ranges.size(), kRangesMax);
  EXPECT_EQ(ranged(spread + "900000-", 1'000'000), "whole");
}

TEST(Ranges, of_a_hostile_list_are_the_whole) {
  std::string list = "bytes=";
  for (int i = 0; i < 5000; ++i) list += "0-,";
  EXPECT_EQ(ranged(list, 1'000'000), "whole");
  EXPECT_EQ(ranged(list + "nonsense", 1'000'000), "whole");
}

TEST(Ranges, beyond_four_gigabytes_are_exact) {
  EXPECT_EQ(ranged("bytes=4294967295-4294967296,5000000000-", 5'368'709'120),
            "4294967295+2 5000000000+368709120");
  EXPECT_EQ(ranged("bytes=18446744073709551613-,0-0", 18446744073709551615U),
            "18446744073709551613+2 0+1");
}

}  // namespace
}  // namespace ringserve::http
