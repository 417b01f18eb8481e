// Lines of the access log: one line whatever bytes a client sends, from which each field can be
// read back to the byte. Input, a line each: method, target, host, Referer, User-Agent, which are
// the client's with \n for "\\n" and the rest as it is; then numbers: time, status, bytes.
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/check.h"
#include "server/log/line_formatter.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::log::Format;
using ringserve::log::LineFormatter;
using ringserve::log::Record;

// As an input has its fields in lines, a newline within one is written "\n".
std::string with_newlines(std::string_view text) {
  std::string result(text);
  for (size_t at = 0; (at = result.find("\\n", at)) != std::string::npos; ++at) {
    result.replace(at, 2, "\n");
  }
  return result;
}

// A byte for each \xHH.
std::string unescaped(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == "\\x" && i + 3 < text.size()) {
      bytes.push_back(
          static_cast<char>(std::stoi(std::string(text.substr(i + 2, 2)), nullptr, 16)));
      i += 3;
    } else {
      bytes.push_back(text[i]);
    }
  }
  return bytes;
}

std::string line_of(LineFormatter& formatter, const Record& record) {
  std::vector<char> room(LineFormatter::bytes_max(record));
  const char* end = formatter.write(record, room.data());
  CHECK(end > room.data() && end <= room.data() + room.size());
  std::string line(room.data(), static_cast<size_t>(end - room.data()));
  CHECK(line.back() == '\n');
  line.pop_back();
  CHECK(!fuzz::has_control(line));
  return line;
}

std::string or_dash(std::string_view text) { return text.empty() ? "-" : std::string(text); }

// Of the text formats: what stands between quotes. No quote is ever part of a field.
void check_text(const std::string& line, const Record& record, bool combined) {
  for (const char c : line) CHECK(static_cast<unsigned char>(c) < 0x7f);
  const auto parts = fuzz::split(line, '"');
  CHECK(parts.size() == (combined ? 7 : 3));
  const std::string begin = std::string(record.remote) + " - - [";
  CHECK(parts[0].size() == begin.size() + std::string("21/Nov/2026:06:40:00 +0000] ").size());
  CHECK(parts[0].rfind(begin, 0) == 0);
  const bool was_read = !record.method.empty() || !record.target.empty();
  const std::string request = or_dash(record.method) + " " + or_dash(record.target) + " HTTP/1.1";
  CHECK(unescaped(parts[1]) == (was_read ? request : "-"));
  const std::string numbers =
      " " + std::to_string(record.status) + " " + std::to_string(record.body_bytes);
  CHECK(parts[2].rfind(numbers, 0) == 0);
  if (!combined) return;
  CHECK(unescaped(parts[3]) == or_dash(record.referer));
  CHECK(unescaped(parts[5]) == or_dash(record.user_agent));
}

void check_json(const std::string& line, const Record& record) {
  const auto json = nlohmann::json::parse(line);  // throws at what is not UTF-8, too
  const std::map<std::string, std::string_view> texts = {
      {"remote", record.remote},      {"method", record.method},
      {"target", record.target},      {"host", record.host},
      {"referer", record.referer},    {"user_agent", record.user_agent},
      {"send_path", record.send_path}};
  for (const auto& [key, value] : texts) {
    CHECK(unescaped(json.at(key).get<std::string>()) == value);
  }
  CHECK(json.at("status") == record.status && json.at("complete") == record.complete);
  CHECK(json.at("sent_bytes") == record.sent_bytes && json.at("body_bytes") == record.body_bytes);
  CHECK(json.at("duration_us") == record.duration_us);
  CHECK(json.at("copied_bytes") == record.copied_bytes);
  CHECK(json.at("zero_copy_bytes") == record.zero_copy_bytes);
  CHECK(json.at("time").get<std::string>().size() ==
        std::string("2026-11-21T06:40:00.000123Z").size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  std::vector<fuzz::Exact> texts;
  for (int i = 0; i < 5; ++i) texts.emplace_back(with_newlines(input.line()));
  Record record;
  record.remote = "2001:db8::1";
  record.method = texts[0].view();
  record.target = texts[1].view();
  record.host = texts[2].view();
  record.referer = texts[3].view();
  record.user_agent = texts[4].view();
  record.received_at_us = input.number<uint32_t>() * int64_t{1'000'000} + 123;
  record.status = 100 + input.number<uint16_t>() % 500;
  record.body_bytes = input.number<uint64_t>();
  record.sent_bytes = record.copied_bytes = record.zero_copy_bytes = record.body_bytes;
  record.duration_us = record.body_bytes / 2;
  record.send_path = "sendfile";
  record.complete = record.status < 400;

  LineFormatter common(Format::common);
  LineFormatter combined(Format::combined);
  LineFormatter json(Format::json);
  check_text(line_of(common, record), record, false);
  check_text(line_of(combined, record), record, true);
  const std::string line = line_of(json, record);
  check_json(line, record);
  CHECK(line_of(json, record) == line);  // the second that it remembers
  return 0;
}
