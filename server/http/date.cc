// Written by hand: strptime(3) takes white space, signs and cases that the RFC does not, and a 304
// by date is answered often (http/reply/status:304/by:date in bench/micro).
#include "server/http/date.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>

namespace ringserve::http {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr int64_t kDay_s = 86'400;
constexpr int64_t kFiftyYears_s = 50 * 31'556'952LL;  // of the Gregorian calendar's mean year

struct Civil {
  int year = 0, month = 0, day = 0;
  int hour = 0, minute = 0, second = 0;
};

std::optional<int64_t> seconds_of(const Civil& time) {
  namespace chrono = std::chrono;
  const chrono::year_month_day date(chrono::year(time.year),
                                    chrono::month(static_cast<unsigned>(time.month)),
                                    chrono::day(static_cast<unsigned>(time.day)));
  // Second 60 is a leap second, which the epoch's count does not have: it is the next minute's
  // first.
  if (!date.ok() || time.hour > 23 || time.minute > 59 || time.second > 60) return std::nullopt;
  const int64_t days = chrono::sys_days(date).time_since_epoch().count();
  return days * kDay_s + time.hour * 3600 + time.minute * 60 + time.second;
}

// Reads from the front of a text. After the first thing that is not as it should be, nothing is.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool at_end() const { return good_ && text_.empty(); }

  Reader& literal(std::string_view expected) {
    if (text_.starts_with(expected)) {
      text_.remove_prefix(expected.size());
    } else {
      good_ = false;
    }
    return *this;
  }

  // Exactly that many digits.
  Reader& number(unsigned digits, int& value) {
    value = 0;
    if (text_.size() < digits) good_ = false;
    for (unsigned i = 0; good_ && i < digits; ++i) {
      const char c = text_[i];
      if (c < '0' || c > '9') good_ = false;
      value = value * 10 + (c - '0');
    }
    if (good_) text_.remove_prefix(digits);
    return *this;
  }

  // asctime() fills a day of one digit with a space.
  Reader& padded_number(int& value) {
    if (!text_.starts_with(' ')) return number(2, value);
    return literal(" ").number(1, value);
  }

  // One of `names`, or of their first letters; which one.
  Reader& one_of(std::span<const std::string_view> names, size_t letters, int& index) {
    for (size_t i = 0; good_ && i < names.size(); ++i) {
      const std::string_view name = names[i].substr(0, letters);
      if (!text_.starts_with(name)) continue;
      text_.remove_prefix(name.size());
      index = static_cast<int>(i);
      return *this;
    }
    good_ = false;
    return *this;
  }
  Reader& short_day() { return one_of(kDays, 3, day_); }
  Reader& long_day() { return one_of(kDays, std::string_view::npos, day_); }
  Reader& month(Civil& time) {
    one_of(kMonths, 3, time.month);
    ++time.month;
    return *this;
  }

  Reader& clock(Civil& time) {
    return number(2, time.hour)
        .literal(":")
        .number(2, time.minute)
        .literal(":")
        .number(2, time.second);
  }

 private:
  std::string_view text_;
  int day_ = 0;  // of the week: need not be right
  bool good_ = true;
};

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::optional<int64_t> parse_imf_fixdate(std::string_view text) {
  Civil time;
  Reader reader(text);
  reader.short_day().literal(", ").number(2, time.day).literal(" ").month(time);
  reader.literal(" ").number(4, time.year).literal(" ").clock(time).literal(" GMT");
  return reader.at_end() ? seconds_of(time) : std::nullopt;
}

// "Sunday, 06-Nov-94 08:49:37 GMT"
std::optional<int64_t> parse_rfc850(std::string_view text, int64_t now_s) {
  Civil time;
  Reader reader(text);
  reader.long_day().literal(", ").number(2, time.day).literal("-").month(time);
  reader.literal("-").number(2, time.year).literal(" ").clock(time).literal(" GMT");
  if (!reader.at_end()) return std::nullopt;
  const std::chrono::sys_seconds now{std::chrono::seconds(now_s)};
  const std::chrono::year_month_day today{std::chrono::floor<std::chrono::days>(now)};
  time.year += static_cast<int>(today.year()) / 100 * 100;
  auto seconds = seconds_of(time);
  if (seconds && *seconds > now_s + kFiftyYears_s) {
    time.year -= 100;
    seconds = seconds_of(time);
  }
  return seconds;
}

// "Sun Nov  6 08:49:37 1994"
std::optional<int64_t> parse_asctime(std::string_view text) {
  Civil time;
  Reader reader(text);
  reader.short_day().literal(" ").month(time).literal(" ").padded_number(time.day);
  reader.literal(" ").clock(time).literal(" ").number(4, time.year);
  return reader.at_end() ? seconds_of(time) : std::nullopt;
}

}  // namespace

std::string format_date(int64_t seconds) {
  namespace chrono = std::chrono;
  constexpr int64_t kFirst_s = -62'167'219'200;  // 0000-01-01 00:00:00
  constexpr int64_t kLast_s = 253'402'300'799;   // 9999-12-31 23:59:59
  const chrono::sys_seconds time{chrono::seconds(std::clamp(seconds, kFirst_s, kLast_s))};
  const auto midnight = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date(midnight);
  const chrono::hh_mm_ss clock(time - midnight);
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
      kDays[chrono::weekday(midnight).c_encoding()].substr(0, 3), static_cast<unsigned>(date.day()),
      kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::optional<int64_t> parse_date(std::string_view text, int64_t now_s) {
  if (const auto seconds = parse_imf_fixdate(text)) return seconds;
  if (const auto seconds = parse_rfc850(text, now_s)) return seconds;
  return parse_asctime(text);
}

}  // namespace ringserve::http
