// A strict parser of response heads and a plain writer of requests. It relies on nothing of
// the server, and must never forgive: a doubtful response is a failed test.
#include "tests/support/http_message.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

namespace support {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void parse_status_line(std::string_view line, Response& response) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  constexpr std::size_t kStatusDigits = 3;
  const std::string_view rest = line.substr(std::min(kVersion.size(), line.size()));
  if (line.substr(0, kVersion.size()) != kVersion || !is_digits(rest.substr(0, kStatusDigits)) ||
      rest.size() < kStatusDigits + 1 || rest[kStatusDigits] != ' ') {
    throw ProtocolError("status line '" + std::string(line) + "'");
  }
  response.status = std::stoi(std::string(rest.substr(0, kStatusDigits)));
  response.reason = rest.substr(kStatusDigits + 1);
  if (response.status < 100) throw ProtocolError("status " + std::to_string(response.status));
}

void parse_field(std::string_view line, Response& response) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || name.empty() ||
      !std::all_of(name.begin(), name.end(), is_token_char)) {
    throw ProtocolError("header field '" + std::string(line) + "'");
  }
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
  const bool printable = std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  if (!printable) throw ProtocolError("control character in '" + std::string(name) + "'");
  response.headers.emplace_back(name, value);
}

}  // namespace

std::string Response::header(std::string_view name) const {
  const std::string* found = nullptr;
  for (const auto& [field, value] : headers) {
    if (!same_name(field, name)) continue;
    if (found != nullptr) throw ProtocolError("'" + std::string(name) + "' comes twice");
    found = &value;
  }
  return found != nullptr ? *found : std::string();
}

bool Response::has(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& field) { return same_name(field.first, name); });
}

std::uint64_t Response::content_length() const {
  const std::string text = header("Content-Length");
  if (!is_digits(text)) throw ProtocolError("Content-Length '" + text + "'");
  return std::stoull(text);
}

bool Response::keeps_alive() const { return !same_name(header("Connection"), "close"); }

Response parse_head(std::string_view head) {
  Response response;
  bool first = true;
  for (;;) {
    const std::size_t end = head.find("\r\n");
    if (end == std::string_view::npos) throw ProtocolError("a head without an empty line");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (first) {
      parse_status_line(line, response);
    } else if (line.empty()) {
      break;
    } else {
      parse_field(line, response);
    }
    first = false;
  }
  if (response.has("Transfer-Encoding")) throw ProtocolError("Transfer-Encoding in a response");
  return response;
}

std::string request(std::string_view method, std::string_view target, const Headers& headers) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\n";
  const bool has_host = std::any_of(headers.begin(), headers.end(), [](const auto& field) {
    return same_name(field.first, "Host");
  });
  if (!has_host) text += "Host: test\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  return text + "\r\n";
}

std::string percent_encoded(std::string_view path) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) != 0 ||
                                       std::string_view("-._~/").find(c) != std::string_view::npos);
    if (plain) {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 0xf]};
    }
  }
  return encoded;
}

std::string http_date(std::int64_t unix_time_s) {
  const std::time_t time = unix_time_s;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), size};
}

std::optional<std::int64_t> parse_http_date(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const std::int64_t time = ::timegm(&parts);
  // Only the canonical form: strptime forgives spaces and a wrong day of the week.
  if (http_date(time) != text) return std::nullopt;
  return time;
}

}  // namespace support
