// Straight into the channel's memory: no allocation, no look at the clock, and the date is put into
// words once a second (bench/micro/log.cc says what a line costs).
#include "server/log/line_formatter.h"

#include <fmt/format.h>

#include <algorithm>
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

char* append_number(char* out, uint64_t value) {
  if (value < 10) {  // many are 0
    *out = static_cast<char>('0' + value);
    return out + 1;
  }
  constexpr ptrdiff_t kDigitsMax = 20;
  return std::to_chars(out, out + kDigitsMax, value).ptr;
}

char* append_micros(char* out, uint32_t micros) {
  for (int digit = 5; digit >= 0; --digit) {
    out[digit] = static_cast<char>('0' + micros % 10);
    micros /= 10;
  }
  return out + 6;
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
  const auto result =
      format_ == Format::json
          ? fmt::format_to_n(second_text_, kSecondBytesMax, "{:04}-{:02}-{:02}T{}.", year,
                             utc.tm_mon + 1, utc.tm_mday, clock)
          : fmt::format_to_n(second_text_, kSecondBytesMax, "{:02}/{}/{:04}:{} +0000", utc.tm_mday,
                             kMonths[utc.tm_mon], year, clock);
  second_ = second;
  second_bytes_ = result.size;
}

char* LineFormatter::write(const Record& record, char* out) {
  const int64_t at_us =
      std::clamp<int64_t>(record.received_at_us, 0, (kLastSecond + 1) * kMicrosPerSecond - 1);
  const int64_t second = at_us / kMicrosPerSecond;
  if (second != second_) set_second(second);
  if (format_ != Format::json) return write_text(record, out);

  out = append(out, "{\"time\":\"");
  std::memcpy(out, second_text_, kSecondBytesMax);
  out = append_micros(out + second_bytes_, static_cast<uint32_t>(at_us % kMicrosPerSecond));
  return write_json(record, append(out, "Z\""));
}

char* LineFormatter::write_text(const Record& record, char* out) {
  out = append_quoted(record.remote, out);
  out = append(out, " - - [");
  std::memcpy(out, second_text_, kSecondBytesMax);
  out = append(out + second_bytes_, "] \"");
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
  out = append_json(record.remote, append(out, ",\"remote\":\""));
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
