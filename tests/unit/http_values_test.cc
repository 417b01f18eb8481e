// Ranges, dates and conditions: RFC 9110 sections 14, 5.6.7 and 13.
#include <gtest/gtest.h>

#include "server/http/conditions.h"
#include "server/http/date.h"
#include "server/http/range.h"

namespace ringserve::http {
namespace {

std::string ranged(std::string_view value, uint64_t size) {
  const RangeResult range = parse_range(value, size);
  switch (range.kind) {
    case RangeResult::whole: return "whole";
    case RangeResult::unsatisfiable: return "unsatisfiable";
    case RangeResult::part: break;
  }
  return std::to_string(range.offset) + "+" + std::to_string(range.length);
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
}

TEST(Range, may_lie_outside) {
  EXPECT_EQ(ranged("bytes=10-", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=99999999999999999999999-", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=-0", 10), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=0-", 0), "unsatisfiable");
  EXPECT_EQ(ranged("bytes=-5", 0), "unsatisfiable");
}

TEST(Range, is_ignored_when_malformed) {
  for (const char* value : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1",
                            "lines=0-1", "bytes=0-1,3-4", "bytes=--1", "bytes=0x1-2"}) {
    EXPECT_EQ(ranged(value, 10), "whole") << value;
  }
}

TEST(Date, is_written_and_read_back) {
  EXPECT_EQ(format_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994"), 784111777);
  EXPECT_EQ(parse_date(format_date(0)), 0);
  EXPECT_EQ(parse_date(format_date(4102444800)), 4102444800);
}

TEST(Date, is_nothing_when_malformed) {
  for (const char* text : {"", "yesterday", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37 GMTx"}) {
    EXPECT_FALSE(parse_date(text).has_value()) << text;
  }
}

const Validators kFile{"\"abc\"", 784111777};
constexpr const char* kItsDate = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kEarlier = "Sun, 06 Nov 1994 08:49:36 GMT";

Verdict verdict_of(std::string Request::*field, const std::string& value) {
  Request request;
  request.*field = value;
  return evaluate_conditions(request, kFile);
}

TEST(Conditions, if_none_match_compares_weakly) {
  const auto verdict = [](const char* v) { return verdict_of(&Request::if_none_match, v); };
  EXPECT_EQ(verdict("\"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("W/\"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x\", \"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x,\"  ,\"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("*"), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x\""), Verdict::proceed);
  EXPECT_EQ(verdict("abc"), Verdict::proceed);
}

TEST(Conditions, if_match_compares_strongly) {
  EXPECT_EQ(verdict_of(&Request::if_match, "\"abc\""), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_match, "*"), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_match, "W/\"abc\""), Verdict::precondition_failed);
  EXPECT_EQ(verdict_of(&Request::if_match, "\"x\""), Verdict::precondition_failed);
}

TEST(Conditions, dates_are_compared_by_the_second) {
  EXPECT_EQ(verdict_of(&Request::if_modified_since, kItsDate), Verdict::not_modified);
  EXPECT_EQ(verdict_of(&Request::if_modified_since, kEarlier), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_modified_since, "nonsense"), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_unmodified_since, kItsDate), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_unmodified_since, kEarlier), Verdict::precondition_failed);
}

TEST(Conditions, a_tag_goes_before_a_date) {
  Request request;
  request.if_none_match = "\"other\"";
  request.if_modified_since = kItsDate;
  EXPECT_EQ(evaluate_conditions(request, kFile), Verdict::proceed);
}

TEST(Conditions, if_range_needs_the_very_file) {
  EXPECT_TRUE(if_range_holds("\"abc\"", kFile));
  EXPECT_FALSE(if_range_holds("W/\"abc\"", kFile));
  EXPECT_TRUE(if_range_holds(kItsDate, kFile));
  EXPECT_FALSE(if_range_holds(kEarlier, kFile));
  EXPECT_FALSE(if_range_holds("", kFile));
}

}  // namespace
}  // namespace ringserve::http
