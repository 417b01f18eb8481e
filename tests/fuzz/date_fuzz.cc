// Dates: what is written reads back as the same second, as the calendar of the standard library has
// it, and what is read, in any form, has one canonical form. Input: two lines that are numbers of
// seconds, the present time and one to write, and a text to read.
#include "server/http/date.h"

#include <fmt/format.h>
#include <chrono>

#include "common/check.h"
#include "tests/fuzz/input.h"

namespace {

using ringserve::http::format_date;
using ringserve::http::parse_date;

constexpr int64_t kYear0 = -62'167'219'200;     // 0000-01-01 00:00:00
constexpr int64_t kYear9999 = 253'402'300'799;  // 9999-12-31 23:59:59

// IMF-fixdate: RFC 9110 section 5.6.7.
std::string expected_text(int64_t seconds) {
  using namespace std::chrono;
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_seconds time{std::chrono::seconds(seconds)};
  const auto midnight = floor<days>(time);
  const year_month_day date(midnight);
  const hh_mm_ss clock(time - midnight);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[weekday(midnight).c_encoding()], static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

void check_seconds(int64_t seconds, int64_t now_s) {
  const int64_t span = kYear9999 - kYear0 + 1;
  const int64_t within = ((seconds - kYear0) % span + span) % span + kYear0;
  const std::string text = format_date(within);
  CHECK(text == expected_text(within));
  CHECK(parse_date(text, now_s) == within);
}

constexpr size_t kDayBytes = 5;  // "Sun, ": which day it is follows from the date

// Text in the form that is written today, whatever its numbers say.
bool is_fixdate(std::string_view text) {
  constexpr std::string_view kForm = "Aaa, 00 Aaa 0000 00:00:00 GMT";
  if (text.size() != kForm.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_upper = text[i] >= 'A' && text[i] <= 'Z';
    const bool is_lower = text[i] >= 'a' && text[i] <= 'z';
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    switch (kForm[i]) {
      case 'A':
        if (!is_upper) return false;
        break;
      case 'a':
        if (!is_lower) return false;
        break;
      case '0':
        if (!is_digit) return false;
        break;
      default:
        if (text[i] != kForm[i]) return false;
    }
  }
  return true;
}

// 23:59:60, which no second since the epoch can say.
bool has_leap_second(std::string_view text) { return text.find(":60 ") != std::string_view::npos; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const int64_t now_s = input.number<uint32_t>();
  check_seconds(input.number<int64_t>() / 2, now_s);  // half: no overflow in the remainder
  const fuzz::Exact text(input.rest());
  const auto seconds = parse_date(text.view(), now_s);
  if (!seconds) return 0;
  CHECK(*seconds >= kYear0 && *seconds <= kYear9999 + 1);
  check_seconds(*seconds, now_s);
  if (is_fixdate(text.view()) && !has_leap_second(text.view())) {
    CHECK(text.view().substr(kDayBytes) == expected_text(*seconds).substr(kDayBytes));
  }
  return 0;
}
