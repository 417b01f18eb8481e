// Conditional requests: RFC 9110 section 13.
#include "server/http/conditions.h"

#include <gtest/gtest.h>

namespace ringserve::http {
namespace {

constexpr int64_t kModified_s = 784111777;
const Validators kFile{"\"abc\"", kModified_s, true, 1'795'000'000};
constexpr const char* kItsDate = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kEarlier = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kLater = "Sun, 06 Nov 1994 08:49:38 GMT";

Verdict verdict_of(std::string Request::*field, const std::string& value,
                   const Validators& file = kFile) {
  Request request;
  request.method = Method::get;
  request.*field = value;
  return evaluate_conditions(request, file);
}

TEST(Conditions, if_none_match_compares_weakly) {
  const auto verdict = [](const char* v) { return verdict_of(&Request::if_none_match, v); };
  EXPECT_EQ(verdict("\"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("W/\"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x\", \"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x\",,\t , W/\"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x,\"  ,\"abc\""), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x\\\",\"abc\""), Verdict::not_modified) << "a backslash escapes nothing";
  EXPECT_EQ(verdict("*"), Verdict::not_modified);
  EXPECT_EQ(verdict("\"x\""), Verdict::proceed);
  EXPECT_EQ(verdict("\"ABC\""), Verdict::proceed);
  EXPECT_EQ(verdict("\"\""), Verdict::proceed);
}

TEST(Conditions, if_match_compares_strongly) {
  const auto verdict = [](const char* v) { return verdict_of(&Request::if_match, v); };
  EXPECT_EQ(verdict("\"abc\""), Verdict::proceed);
  EXPECT_EQ(verdict("\"x\",\"abc\""), Verdict::proceed);
  EXPECT_EQ(verdict("W/\"abc\", \"abc\""), Verdict::proceed);
  EXPECT_EQ(verdict("*"), Verdict::proceed);
  EXPECT_EQ(verdict("W/\"abc\""), Verdict::precondition_failed);
  EXPECT_EQ(verdict("\"x\""), Verdict::precondition_failed);
}

TEST(Conditions, of_a_malformed_list_hold_as_far_as_it_makes_sense) {
  for (const char* list : {"abc", "\"x", "x, \"abc\"", "w/\"abc\"", "W/ \"abc\"", "*, \"abc\"",
                           "\"x\", *", "\"x\" \"abc\"", "**", "\"x\"; \"abc\"", ",", "\"abc"}) {
    EXPECT_EQ(verdict_of(&Request::if_none_match, list), Verdict::proceed) << list;
    EXPECT_EQ(verdict_of(&Request::if_match, list), Verdict::precondition_failed) << list;
  }
  EXPECT_EQ(verdict_of(&Request::if_none_match, "\"abc\", nonsense"), Verdict::not_modified);
}

TEST(Conditions, dates_are_compared_by_the_second) {
  EXPECT_EQ(verdict_of(&Request::if_modified_since, kItsDate), Verdict::not_modified);
  EXPECT_EQ(verdict_of(&Request::if_modified_since, kLater), Verdict::not_modified);
  EXPECT_EQ(verdict_of(&Request::if_modified_since, kEarlier), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_unmodified_since, kItsDate), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_unmodified_since, kLater), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_unmodified_since, kEarlier), Verdict::precondition_failed);
}

TEST(Conditions, that_are_no_dates_are_ignored) {
  const std::string two = std::string(kEarlier) + ", " + kEarlier;
  for (const std::string& text : {std::string("nonsense"), two, std::string("\"abc\"")}) {
    EXPECT_EQ(verdict_of(&Request::if_modified_since, text), Verdict::proceed) << text;
    EXPECT_EQ(verdict_of(&Request::if_unmodified_since, text), Verdict::proceed) << text;
  }
}

TEST(Conditions, by_date_mean_nothing_where_the_file_has_none) {
  Validators file = kFile;
  file.has_mtime = false;
  EXPECT_EQ(verdict_of(&Request::if_modified_since, kLater, file), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_unmodified_since, kEarlier, file), Verdict::proceed);
}

TEST(Conditions, by_tag_match_nothing_where_the_file_has_none) {
  Validators file = kFile;
  file.etag = {};
  EXPECT_EQ(verdict_of(&Request::if_none_match, "\"abc\"", file), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_none_match, "\"\"", file), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_none_match, ",", file), Verdict::proceed);
  EXPECT_EQ(verdict_of(&Request::if_none_match, "*", file), Verdict::not_modified);
  EXPECT_EQ(verdict_of(&Request::if_match, "\"abc\"", file), Verdict::precondition_failed);
  EXPECT_EQ(verdict_of(&Request::if_match, "*", file), Verdict::proceed);
}

// Section 13.2.2: each of the four, in its order, against the one that it silences or precedes.
TEST(Conditions, have_an_order_of_precedence) {
  Request request;
  request.if_match = "\"abc\"";
  request.if_unmodified_since = kEarlier;
  EXPECT_EQ(evaluate_conditions(request, kFile), Verdict::proceed) << "the tag silences the date";
  request = {};
  request.if_none_match = "\"other\"";
  request.if_modified_since = kItsDate;
  EXPECT_EQ(evaluate_conditions(request, kFile), Verdict::proceed) << "the tag silences the date";
  request = {};
  request.if_match = "\"other\"";
  request.if_none_match = "\"abc\"";
  EXPECT_EQ(evaluate_conditions(request, kFile), Verdict::precondition_failed);
  request = {};
  request.if_unmodified_since = kEarlier;
  request.if_none_match = "\"abc\"";
  EXPECT_EQ(evaluate_conditions(request, kFile), Verdict::precondition_failed);
  request = {};
  request.if_match = "\"abc\"";
  request.if_none_match = "\"abc\"";
  EXPECT_EQ(evaluate_conditions(request, kFile), Verdict::not_modified) << "both are asked";
  request = {};
  request.if_unmodified_since = kItsDate;
  request.if_modified_since = kItsDate;
  EXPECT_EQ(evaluate_conditions(request, kFile), Verdict::not_modified) << "both are asked";
}

TEST(IfRange, needs_the_very_file) {
  EXPECT_TRUE(if_range_holds("\"abc\"", kFile));
  EXPECT_FALSE(if_range_holds("\"x\"", kFile));
  EXPECT_FALSE(if_range_holds("\"x\", \"abc\"", kFile)) << "it is one tag, not a list";
  EXPECT_FALSE(if_range_holds("*", kFile));
  EXPECT_FALSE(if_range_holds("W/\"abc\"", kFile)) << "weak tags say nothing about bytes";
  EXPECT_TRUE(if_range_holds(kItsDate, kFile));
  EXPECT_TRUE(if_range_holds("Sunday, 06-Nov-94 08:49:37 GMT", kFile));
  EXPECT_FALSE(if_range_holds(kEarlier, kFile));
  EXPECT_FALSE(if_range_holds(kLater, kFile)) << "not earlier is not equal";
  EXPECT_FALSE(if_range_holds("", kFile));
  EXPECT_FALSE(if_range_holds("nonsense", kFile));
}

TEST(IfRange, by_date_needs_a_date_that_is_a_strong_validator) {
  Validators file = kFile;
  file.now_s = kModified_s;
  EXPECT_FALSE(if_range_holds(kItsDate, file)) << "it may change again within its second";
  EXPECT_TRUE(if_range_holds("\"abc\"", file));
  file.now_s = kModified_s + 1;
  EXPECT_TRUE(if_range_holds(kItsDate, file));
  file.has_mtime = false;
  EXPECT_FALSE(if_range_holds(kItsDate, file));
}

TEST(IfRange, by_tag_needs_a_tag) {
  Validators file = kFile;
  file.etag = {};
  EXPECT_FALSE(if_range_holds("\"abc\"", file));
  EXPECT_FALSE(if_range_holds("\"\"", file));
  EXPECT_TRUE(if_range_holds(kItsDate, file));
}

}  // namespace
}  // namespace ringserve::http
