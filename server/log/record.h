// One response, as the access log tells of it: plain data, made by the connection.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringserve::log {

// The texts are as received, unescaped, and need to live only during the call.
struct Record {
  std::string_view remote;          // "192.0.2.1", "2001:db8::1" or "unix:"
  int64_t received_at_us = 0;       // CLOCK_REALTIME, when the request was complete
  uint64_t duration_us = 0;         // from there until the last byte was in the socket
  std::string_view method, target;  // empty: the request could not be read so far
  int version_minor = 1;            // HTTP/1.x
  std::string_view host, referer, user_agent;
  int status = 0;
  uint64_t sent_bytes = 0;       // head and body
  uint64_t body_bytes = 0;       // of the body
  uint64_t copied_bytes = 0;     // of sent_bytes, through user memory
  uint64_t zero_copy_bytes = 0;  // of sent_bytes, not through it
  std::string_view send_path;    // how the body left: "memory", "sendfile", …; "" without one
  bool complete = true;          // false: the connection ended before the response did
};

}  // namespace ringserve::log
