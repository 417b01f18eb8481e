// What a line of the access log looks like, whatever a client sent: held to the patterns of log
// analysers, and to a JSON parser that no one here wrote.
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <string>

#include "server/log/escape.h"
#include "server/log/line_formatter.h"

namespace ringserve::log {
namespace {

using nlohmann::json;

constexpr int64_t kArrival_us = 1'795'243'200'000'123;  // 2026-11-21 06:40:00.000123 UTC

Record browser_request() {
  Record record;
  record.remote = "192.0.2.1";
  record.received_at_us = kArrival_us;
  record.duration_us = 41;
  record.method = "GET";
  record.target = "/a/b.css?v=1";
  record.host = "example.org";
  record.referer = "https://example.org/start";
  record.user_agent = "Mozilla/5.0 (X11; Linux x86_64)";
  record.status = 200;
  record.sent_bytes = 1500;
  record.body_bytes = 1234;
  record.copied_bytes = 266;
  record.zero_copy_bytes = 1234;
  record.send_path = "sendfile";
  return record;
}

std::string line(Format format, const Record& record) {
  // As much as was promised and not a byte more, so that the address sanitizer sees what is beyond.
  const auto room = std::make_unique<char[]>(LineFormatter::bytes_max(record));
  const char* const end = LineFormatter(format).write(record, room.get());
  EXPECT_LE(static_cast<size_t>(end - room.get()), LineFormatter::bytes_max(record));
  return {room.get(), static_cast<size_t>(end - room.get())};
}

// The line without its end, which must be the only one.
std::string only_line(Format format, const Record& record) {
  const std::string text = line(format, record);
  EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
  return text.substr(0, text.size() - 1);
}

json parsed(const Record& record) { return json::parse(only_line(Format::json, record)); }

// As escape.h says: a byte for each \xHH.
std::string original(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "\\x") == 0) {
      bytes += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

std::string in_quotes(std::string_view text) {
  const auto room = std::make_unique<char[]>(text.size() * kEscapedBytesMax);
  return {room.get(), static_cast<size_t>(append_quoted(text, room.get()) - room.get())};
}

std::string in_json(std::string_view text) {
  const auto room = std::make_unique<char[]>(text.size() * kEscapedBytesMax);
  return {room.get(), static_cast<size_t>(append_json(text, room.get()) - room.get())};
}

void expect_round_trip(const std::string& bytes) {
  const std::string escaped = in_json(bytes);
  for (const char c : escaped) EXPECT_GE(static_cast<uint8_t>(c), 0x20) << escaped;
  json value;
  ASSERT_NO_THROW(value = json::parse('"' + escaped + '"')) << escaped;
  EXPECT_EQ(original(value.get<std::string>()), bytes) << escaped;
}

TEST(AccessLogFormat, common_is_what_nginx_writes) {
  EXPECT_EQ(only_line(Format::common, browser_request()),
            "192.0.2.1 - - [21/Nov/2026:06:40:00 +0000] \"GET /a/b.css?v=1 HTTP/1.1\" 200 1234");
}

TEST(AccessLogFormat, combined_adds_referer_and_user_agent) {
  EXPECT_EQ(only_line(Format::combined, browser_request()),
            "192.0.2.1 - - [21/Nov/2026:06:40:00 +0000] \"GET /a/b.css?v=1 HTTP/1.1\" 200 1234 "
            "\"https://example.org/start\" \"Mozilla/5.0 (X11; Linux x86_64)\"");
}

TEST(AccessLogFormat, a_dash_stands_for_what_is_not_there) {
  Record record;
  record.remote = "unix:";
  record.status = 400;
  EXPECT_EQ(only_line(Format::combined, record),
            "unix: - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 0 \"-\" \"-\"");
  record.method = "GET";
  EXPECT_EQ(only_line(Format::common, record),
            "unix: - - [01/Jan/1970:00:00:00 +0000] \"GET - HTTP/1.1\" 400 0");
}

TEST(AccessLogFormat, the_version_is_that_of_the_request) {
  Record record = browser_request();
  record.version_minor = 0;
  EXPECT_NE(line(Format::common, record).find("/a/b.css?v=1 HTTP/1.0\""), std::string::npos);
  EXPECT_EQ(parsed(record)["protocol"], "HTTP/1.0");
}

// The pattern of goaccess, Logstash's COMBINEDAPACHELOG and others in one: fields by spaces, the
// time in brackets, three quoted texts with backslash escapes.
TEST(AccessLogFormat, an_analysers_pattern_takes_combined_lines_apart) {
  static const std::regex pattern(
      R"re(^(\S+) (\S+) (\S+) \[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] )re"
      R"re("([^"\\]*(?:\\.[^"\\]*)*)" (\d{3}) (\d+|-) )re"
      R"re("([^"\\]*(?:\\.[^"\\]*)*)" "([^"\\]*(?:\\.[^"\\]*)*)"$)re");
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes += static_cast<char>(byte);
  Record record = browser_request();
  const std::string target = "/\" 200 1 \"" + all_bytes;
  const std::string user_agent = "\" \"evil\\\" \n192.0.2.9 - - [" + all_bytes;
  record.target = target;
  record.user_agent = user_agent;
  const std::string text = only_line(Format::combined, record);
  std::smatch fields;
  ASSERT_TRUE(std::regex_match(text, fields, pattern)) << text;
  EXPECT_EQ(fields[1], "192.0.2.1");
  EXPECT_EQ(fields[4], "21/Nov/2026:06:40:00 +0000");
  EXPECT_EQ(original(fields[5]), "GET " + target + " HTTP/1.1");
  EXPECT_EQ(fields[6], "200");
  EXPECT_EQ(fields[7], "1234");
  EXPECT_EQ(fields[8], "https://example.org/start");
  EXPECT_EQ(original(fields[9]), user_agent);
}

TEST(AccessLogFormat, json_has_every_field_in_order) {
  EXPECT_EQ(only_line(Format::json, browser_request()),
            R"({"time":"2026-11-21T06:40:00.000123Z","remote":"192.0.2.1","method":"GET",)"
            R"("target":"/a/b.css?v=1","protocol":"HTTP/1.1","host":"example.org","status":200,)"
            R"("sent_bytes":1500,"body_bytes":1234,"duration_us":41,"send_path":"sendfile",)"
            R"("copied_bytes":266,"zero_copy_bytes":1234,"referer":"https://example.org/start",)"
            R"re("user_agent":"Mozilla/5.0 (X11; Linux x86_64)","complete":true})re");
}

TEST(AccessLogFormat, json_has_every_key_when_nothing_is_known) {
  Record record;
  record.complete = false;
  const json object = parsed(record);
  EXPECT_EQ(object.size(), 16u);
  EXPECT_EQ(object["method"], "");
  EXPECT_EQ(object["protocol"], "");
  EXPECT_EQ(object["send_path"], "");
  EXPECT_EQ(object["complete"], false);
}

TEST(AccessLogFormat, numbers_are_written_in_full) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  Record record;
  record.received_at_us = std::numeric_limits<int64_t>::max();
  record.status = std::numeric_limits<int>::max();
  record.version_minor = std::numeric_limits<int>::max();
  record.method = "A";
  record.complete = false;
  record.duration_us = record.sent_bytes = record.body_bytes = kMost;
  record.copied_bytes = record.zero_copy_bytes = kMost;
  const json object = parsed(record);
  for (const char* key :
       {"duration_us", "sent_bytes", "body_bytes", "copied_bytes", "zero_copy_bytes"}) {
    EXPECT_EQ(object[key].get<uint64_t>(), kMost) << key;
  }
  EXPECT_EQ(object["status"], std::numeric_limits<int>::max());
  EXPECT_EQ(object["time"], "9999-12-31T23:59:59.999999Z");
  record.method = "";
  // What texts may take is promised apart from them.
  EXPECT_LE(line(Format::json, record).size(), LineFormatter::bytes_max(record));
  EXPECT_LE(line(Format::combined, record).size(), LineFormatter::bytes_max(record));
}

TEST(AccessLogFormat, the_time_follows_the_record_in_both_directions) {
  LineFormatter formatter(Format::common);
  Record record;
  char room[1024];
  const auto time_at = [&](int64_t second) {
    record.received_at_us = second * 1'000'000 + 999'999;
    const std::string text(room, static_cast<size_t>(formatter.write(record, room) - room));
    return text.substr(text.find('[') + 1, 20);
  };
  EXPECT_EQ(time_at(951'782'399), "28/Feb/2000:23:59:59");
  EXPECT_EQ(time_at(951'782'400), "29/Feb/2000:00:00:00");
  EXPECT_EQ(time_at(951'782'399), "28/Feb/2000:23:59:59");
  EXPECT_EQ(time_at(951'782'399), "28/Feb/2000:23:59:59");
  EXPECT_EQ(time_at(-5), "01/Jan/1970:00:00:00");
}

TEST(AccessLogFormat, the_time_follows_every_microsecond_in_json) {
  LineFormatter formatter(Format::json);
  Record record;
  char room[1024];
  const auto time_at = [&](int64_t at_us) {
    record.received_at_us = at_us;
    const std::string text(room, static_cast<size_t>(formatter.write(record, room) - room));
    return json::parse(text)["time"].get<std::string>();
  };
  EXPECT_EQ(time_at(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(time_at(kArrival_us), "2026-11-21T06:40:00.000123Z");
  EXPECT_EQ(time_at(kArrival_us + 1), "2026-11-21T06:40:00.000124Z");
  EXPECT_EQ(time_at(kArrival_us), "2026-11-21T06:40:00.000123Z");
  EXPECT_EQ(time_at(kArrival_us + 1'000'000), "2026-11-21T06:40:01.000123Z");
  EXPECT_EQ(time_at(kArrival_us - 124), "2026-11-21T06:39:59.999999Z");
  EXPECT_EQ(time_at(kArrival_us + 123'456), "2026-11-21T06:40:00.123579Z");
}

TEST(AccessLogFormat, numbers_of_every_length_are_themselves) {
  Record record;
  for (uint64_t power = 1; power <= 1'000'000; power *= 10) {
    for (const uint64_t number : {power - 1, power, power + 1, 7 * power, 9 * power + power / 9}) {
      record.sent_bytes = number;
      EXPECT_EQ(parsed(record)["sent_bytes"].get<uint64_t>(), number);
    }
  }
}

TEST(AccessLogEscape, quoted_text_is_printable_ascii_without_quotes) {
  for (int value = 0; value < 256; ++value) {
    const std::string byte(1, static_cast<char>(value));
    const bool plain = value >= 0x20 && value < 0x7f && value != '"' && value != '\\';
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02X", static_cast<unsigned>(value));
    EXPECT_EQ(in_quotes(byte), plain ? byte : hex);
  }
}

TEST(AccessLogEscape, every_byte_survives_json_alone_and_among_others) {
  for (int value = 0; value < 256; ++value) {
    const std::string byte(1, static_cast<char>(value));
    // Every place in a piece of sixteen, of eight, of four and of less.
    for (size_t before = 0; before < 34; ++before) {
      for (const size_t after : {0, 1, 2, 3, 5, 17}) {
        expect_round_trip(std::string(before, 'a') + byte + std::string(after, 'b'));
      }
    }
  }
}

TEST(AccessLogEscape, every_pair_of_bytes_survives_json) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      expect_round_trip({static_cast<char>(first), static_cast<char>(second)});
    }
  }
}

TEST(AccessLogEscape, random_text_survives_json) {
  std::mt19937 random(5);
  // What is near the borders of UTF-8 and of the escapes, more often than chance has it.
  static constexpr uint8_t kLikely[] = {'\\', 'x',  '5',  'C',  '"',  'a',  0xc2, 0x80,
                                        0x85, 0xe2, 0xa8, 0xed, 0xa0, 0xf0, 0x9f, 0xf4};
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(kLikely[random() % sizeof kLikely]);
    expect_round_trip(bytes);
  }
}

TEST(AccessLogEscape, valid_utf8_stays_as_it_is) {
  for (const char* text : {"gr\u00fc\u00dfe", "\u65e5\u672c\u8a9e", "\U0001F600", "\u07ff\u0800",
                           "\uffff", "\U00010000\U0010ffff", "\ud7ff\ue000", "\u00a0"}) {
    EXPECT_EQ(in_json(text), text);
  }
}

TEST(AccessLogEscape, what_is_no_utf8_is_written_byte_by_byte) {
  EXPECT_EQ(in_json("a\xff"), "a\\\\xFF");
  EXPECT_EQ(in_json("\xc0\xaf"), "\\\\xC0\\\\xAF") << "longer than need be";
  EXPECT_EQ(in_json("\xed\xa0\x80"), "\\\\xED\\\\xA0\\\\x80") << "half of a surrogate pair";
  EXPECT_EQ(in_json("\xf4\x90\x80\x80"), "\\\\xF4\\\\x90\\\\x80\\\\x80") << "beyond Unicode";
  EXPECT_EQ(in_json("\xe2\x82"), "\\\\xE2\\\\x82") << "cut off";
  EXPECT_EQ(in_json("\\xFF"), "\\\\x5CxFF") << "the same four characters, sent as such";
  EXPECT_EQ(in_json("C:\\dir"), "C:\\\\dir");
}

TEST(AccessLogEscape, nothing_is_taken_for_a_line_end_or_turns_the_line_around) {
  for (const char* text : {"\u0085", "\u009b", "\u2028", "\u2029", "\u202e", "\u2066", "\u2069"}) {
    const std::string escaped = in_json(text);
    EXPECT_TRUE(escaped.starts_with("\\u")) << escaped;
    EXPECT_EQ(json::parse('"' + escaped + '"'), text);
  }
  EXPECT_EQ(in_json("\r\n\t\x1b[2J\x7f"), "\\u000D\\u000A\\u0009\\u001B[2J\\u007F");
}

}  // namespace
}  // namespace ringserve::log
