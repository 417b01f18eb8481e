// Straight into the channel's memory: no allocation, no look at the clock, and the date is put into
// words once a second (bench/micro/log.cc says what a line costs).
#include "server/log/line_formatter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <ctime>

#include "server/log/escape.h"

namespace ringserve::log {
namespace {

// The longest line of empty texts, all its numbers as long as they get; a test holds it to that.
constexpr size_t kFixedBytesMax = 512;

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr int64_t kLastSecond = 253'402'300'799;  // of the year 9999: four digits are all there are

template <size_t kSize>
char* append(char* out, const char (&literal)[kSize]) {
  std::memcpy(out, literal, kSize - 1);
  return out + kSize - 1;
}

constexpr auto kTwoDigits = [] {
  std::array<char, 200> digits{};  // "00" to "99"
  for (size_t i = 0; i < digits.size(); ++i) {
    digits[i] = static_cast<char>('0' + (i % 2 == 0 ? i / 20 : i / 2 % 10));
  }
  return digits;
}();

char* append_two_digits(char* out, uint32_t value) {
  std::memcpy(out, &kTwoDigits[2 * value], 2);
  return out + 2;
}

char* append_number(char* out, uint64_t value) {
  constexpr uint64_t kSmall = 10'000;
  if (value >= kSmall) {
    constexpr ptrdiff_t kDigitsMax = 20;
    return std::to_chars(out, out + kDigitsMax, value).ptr;
  }
  // Nearly all are: statuses, sizes, microseconds.
  const auto small = static_cast<uint32_t>(value);
  if (small >= 1000) return append_two_digits(append_two_digits(out, small / 100), small % 100);
  if (small >= 100) {
    *out = static_cast<char>('0' + small / 100);
    return append_two_digits(out + 1, small % 100);
  }
  if (small >= 10) return append_two_digits(out, small);
  *out = static_cast<char>('0' + small);
  return out + 1;
}

char* append_or_dash(char* out, std::string_view text) {
  if (text.empty()) return append(out, "-");
  return append_quoted(text, out);
}

// Of the status line, RFC 9112 section 2.3: one digit.
char version_digit(const Record& record) {
  return static_cast<char>('0' + std::clamp(record.version_minor, 0, 9));
}

bool was_read(const Record& record) { return !record.method.empty() || !record.target.empty(); }

char* append_request_line(char* out, const Record& record) {
  if (!was_read(record)) return append(out, "-");
  out = append_or_dash(out, record.method);
  *out++ = ' ';
  out = append_or_dash(out, record.target);
  out = append(out, " HTTP/1.");
  *out++ = version_digit(record);
  return out;
}

}  // namespace

size_t LineFormatter::bytes_max(const Record& record) {
  const size_t text_bytes = record.remote.size() + record.method.size() + record.target.size() +
                            record.host.size() + record.referer.size() + record.user_agent.size() +
                            record.send_path.size();
  return kFixedBytesMax + kEscapedBytesMax * text_bytes;
}

void LineFormatter::set_second(int64_t second) {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t time = second;
  std::tm utc{};
  ::gmtime_r(&time, &utc);
  const int year = utc.tm_year + 1900;
  const auto clock = fmt::format("{:02}:{:02}:{:02}", utc.tm_hour, utc.tm_min, utc.tm_sec);
  const auto result = format_ == Format::json
                          ? fmt::format_to_n(time_text_, kTimeBytesMax, "{:04}-{:02}-{:02}T{}.",
                                             year, utc.tm_mon + 1, utc.tm_mday, clock)
                          : fmt::format_to_n(time_text_, kTimeBytesMax, "{:02}/{}/{:04}:{} +0000",
                                             utc.tm_mday, kMonths[utc.tm_mon], year, clock);
  second_ = second;
  second_bytes_ = result.size;
}

void LineFormatter::set_time(int64_t at_us) {
  const int64_t second = at_us / kMicrosPerSecond;
  if (second != second_) set_second(second);
  char* end = time_text_ + second_bytes_;
  if (format_ == Format::json) {
    const auto micros = static_cast<uint32_t>(at_us % kMicrosPerSecond);
    end = append_two_digits(end, micros / 10'000);
    end = append_two_digits(end, micros / 100 % 100);
    end = append(append_two_digits(end, micros % 100), "Z");
  }
  at_us_ = at_us;
  time_bytes_ = static_cast<size_t>(end - time_text_);
}

char* LineFormatter::append_time(char* out) const {
  std::memcpy(out, time_text_, kTimeBytesMax);
  return out + time_bytes_;
}

char* LineFormatter::write(const Record& record, char* out) {
  const int64_t at_us =
      std::clamp<int64_t>(record.received_at_us, 0, (kLastSecond + 1) * kMicrosPerSecond - 1);
  if (at_us != at_us_) set_time(at_us);  // those of one turn of the loop have the same
  return format_ == Format::json ? write_json(record, out) : write_text(record, out);
}

char* LineFormatter::write_text(const Record& record, char* out) {
  out = append_quoted(record.remote, out);
  out = append(append_time(append(out, " - - [")), "] \"");
  out = append_request_line(out, record);
  out = append(out, "\" ");
  out = append_number(out, static_cast<uint64_t>(std::max(record.status, 0)));
  *out++ = ' ';
  out = append_number(out, record.body_bytes);
  if (format_ == Format::combined) {
    out = append_or_dash(append(out, " \""), record.referer);
    out = append_or_dash(append(out, "\" \""), record.user_agent);
    *out++ = '"';
  }
  *out++ = '\n';
  return out;
}

char* LineFormatter::write_json(const Record& record, char* out) {
  out = append_time(append(out, "{\"time\":\""));
  out = append_json(record.remote, append(out, "\",\"remote\":\""));
  out = append_json(record.method, append(out, "\",\"method\":\""));
  out = append_json(record.target, append(out, "\",\"target\":\""));
  out = append(out, "\",\"protocol\":\"");
  if (was_read(record)) {
    out = append(out, "HTTP/1.");
    *out++ = version_digit(record);
  }
  out = append_json(record.host, append(out, "\",\"host\":\""));
  out = append(out, "\",\"status\":");
  out = append_number(out, static_cast<uint64_t>(std::max(record.status, 0)));
  out = append_number(append(out, ",\"sent_bytes\":"), record.sent_bytes);
  out = append_number(append(out, ",\"body_bytes\":"), record.body_bytes);
  out = append_number(append(out, ",\"duration_us\":"), record.duration_us);
  out = append_json(record.send_path, append(out, ",\"send_path\":\""));
  out = append_number(append(out, "\",\"copied_bytes\":"), record.copied_bytes);
  out = append_number(append(out, ",\"zero_copy_bytes\":"), record.zero_copy_bytes);
  out = append_json(record.referer, append(out, ",\"referer\":\""));
  out = append_json(record.user_agent, append(out, "\",\"user_agent\":\""));
  return record.complete ? append(out, "\",\"complete\":true}\n")
                         : append(out, "\",\"complete\":false}\n");
}

}  // namespace ringserve::log
