// HTTP dates: RFC 9110 section 5.6.7.
#include "server/http/date.h"

#include <gtest/gtest.h>

namespace ringserve::http {
namespace {

constexpr int64_t kNow_s = 1'795'000'000;  // 18 November 2026
constexpr int64_t kFiftyYears_s = 1'577'847'600;

std::optional<int64_t> parsed(std::string_view text) { return parse_date(text, kNow_s); }

TEST(Date, is_written_and_read_back) {
  EXPECT_EQ(format_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(parsed("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
  for (const int64_t seconds :
       {int64_t{0}, int64_t{-1}, int64_t{951'782'400}, int64_t{4'102'444'800},
        int64_t{-62'135'596'800}, int64_t{253'402'300'799}}) {
    EXPECT_EQ(parsed(format_date(seconds)), seconds);
  }
}

TEST(Date, has_four_digits_for_every_year) {
  EXPECT_EQ(format_date(-62'135'596'800), "Mon, 01 Jan 0001 00:00:00 GMT");
  EXPECT_EQ(format_date(-62'167'219'200), "Sat, 01 Jan 0000 00:00:00 GMT");
  EXPECT_EQ(format_date(253'402'300'799), "Fri, 31 Dec 9999 23:59:59 GMT");
}

TEST(Date, outside_of_the_form_is_the_nearest_within) {
  EXPECT_EQ(format_date(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(format_date(INT64_MIN), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(Date, may_be_in_an_obsolete_form) {
  EXPECT_EQ(parsed("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
  EXPECT_EQ(parsed("Sun Nov  6 08:49:37 1994"), 784111777);
  EXPECT_EQ(parsed("Wed Nov 16 08:49:37 1994"), 784975777);
}

TEST(Date, of_two_digits_is_at_most_fifty_years_ahead) {
  // From 2026: 76 may be 2076, 77 was 1977.
  EXPECT_EQ(parsed("Wednesday, 01-Jan-76 00:00:00 GMT"), 3'345'062'400);
  EXPECT_EQ(parsed("Saturday, 01-Jan-77 00:00:00 GMT"), 220'924'800);
  EXPECT_EQ(parsed("Thursday, 01-Jan-70 00:00:00 GMT"), 3'155'760'000);
  const std::string_view border = "Monday, 01-Jan-90 00:00:00 GMT";
  constexpr int64_t kBorder_s = 3'786'912'000;  // 1 January 2090
  EXPECT_EQ(parse_date(border, kBorder_s - kFiftyYears_s), kBorder_s);
  EXPECT_EQ(parse_date(border, kBorder_s - kFiftyYears_s - 1), 631'152'000);
}

TEST(Date, knows_the_calendar) {
  EXPECT_EQ(parsed("Tue, 29 Feb 2000 00:00:00 GMT"), 951'782'400);
  EXPECT_EQ(parsed("Thu, 29 Feb 2024 23:59:59 GMT"), 1'709'251'199);
  for (const char* text : {"Mon, 31 Feb 2020 00:00:00 GMT", "Mon, 29 Feb 2023 00:00:00 GMT",
                           "Thu, 29 Feb 1900 00:00:00 GMT", "Mon, 31 Apr 2020 00:00:00 GMT",
                           "Mon, 00 Jan 2020 00:00:00 GMT", "Mon, 32 Jan 2020 00:00:00 GMT",
                           "Monday, 31-Feb-20 00:00:00 GMT", "Mon Feb 31 00:00:00 2020"}) {
    EXPECT_FALSE(parsed(text).has_value()) << text;
  }
}

TEST(Date, knows_the_clock) {
  EXPECT_EQ(parsed("Sat, 31 Dec 2016 23:59:60 GMT"), 1'483'228'800) << "a leap second";
  for (const char* text : {"Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
                           "Sun, 06 Nov 1994 08:49:61 GMT"}) {
    EXPECT_FALSE(parsed(text).has_value()) << text;
  }
}

TEST(Date, need_not_name_the_right_day) {
  EXPECT_EQ(parsed("Mon, 06 Nov 1994 08:49:37 GMT"), 784111777);
}

TEST(Date, is_nothing_when_malformed) {
  for (const char* text : {"",
                           "yesterday",
                           "0",
                           "784111777",
                           "Sun, 06 Nov 1994",
                           "Sun, 06 Nov 1994 08:49:37 GMTx",
                           "Sun, 06 Nov 1994 08:49:37 GMT ",
                           " Sun, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37",
                           "Sun, 06 Nov 1994 08:49:37 UTC",
                           "Sun, 06 Nov 1994 08:49:37 gmt",
                           "sun, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 06 nov 1994 08:49:37 GMT",
                           "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Sun,  6 Nov 1994 08:49:37 GMT",
                           "Sun, 06  Nov 1994 08:49:37 GMT",
                           "Sun, 06 Nov 94 08:49:37 GMT",
                           "Sun, 06 Nov +994 08:49:37 GMT",
                           "Sun, 06 Nov -994 08:49:37 GMT",
                           "Sun, 06 Nov 19940 08:49:37 GMT",
                           "Sun, 06 Nov 1994 8:49:37 GMT",
                           "Sun, 06 Nov 1994 08-49-37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 +0000",
                           "Son, 06 Nov 1994 08:49:37 GMT",
                           "Sun, 06 Okt 1994 08:49:37 GMT",
                           "Sun, 06-Nov-94 08:49:37 GMT",
                           "Sunday, 06-Nov-1994 08:49:37 GMT",
                           "Sunday, 06 Nov 94 08:49:37 GMT",
                           "Sun Nov 6 08:49:37 1994",
                           "Sun Nov  6 08:49:37 94",
                           "Sun Nov  6 08:49:37 1994 GMT",
                           "Sun Nov 06:49:37 1994",
                           "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"}) {
    EXPECT_FALSE(parsed(text).has_value()) << text;
  }
  EXPECT_FALSE(parsed(std::string_view("Sun, 06 Nov 1994 08:49:37 GMT\0", 30)).has_value());
}

}  // namespace
}  // namespace ringserve::http
