// Requests as text and responses as facts. The parser is strict on purpose: what it lets
// through, every client must understand.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct ProtocolError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Response {
  int status = 0;
  std::string reason;
  Headers headers;
  std::string body;

  // Case-insensitively; "" when absent. A field that comes twice is an error.
  std::string header(std::string_view name) const;
  bool has(std::string_view name) const;
  // Content-Length; throws when there is none.
  std::uint64_t content_length() const;
  // Whether another request may follow on the connection.
  bool keeps_alive() const;
};

// A status line and header fields up to the empty line, without body.
Response parse_head(std::string_view head);

// HTTP/1.1 with a Host field unless `headers` brings its own.
std::string request(std::string_view method, std::string_view target, const Headers& headers = {});

// Everything but the unreserved characters and '/' as %XX.
std::string percent_encoded(std::string_view path);

// An HTTP date (IMF-fixdate) of a Unix time, and back; nullopt when it is not exactly one.
std::string http_date(std::int64_t unix_time_s);
std::optional<std::int64_t> parse_http_date(const std::string& text);

}  // namespace support
