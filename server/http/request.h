// A parsed request head: the fields a static-file server acts on, and nothing else. A field that
// came in several lines is one list (RFC 9110 section 5.3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ringserve::http {

enum class Method : uint8_t { get, head, options, other };

struct Request {
  Method method = Method::other;
  uint8_t version_minor = 1;   // HTTP/1.minor
  bool keep_alive = false;     // what the client wants: RFC 9112 section 9.3
  bool asks_to_close = false;  // it will send nothing more: RFC 9112 section 9.6
  bool expects_continue = false;
  std::string target;  // as received: RFC 9112 section 3.2
  std::string host;    // of the Host field, as received, without white space around it
  std::string if_match, if_none_match, if_modified_since, if_unmodified_since, if_range, range;
  std::string accept, accept_encoding, origin;
  std::string referer, user_agent;  // only where the parser was told to keep them
  std::string_view method_name;     // "GET"; empty where it is not known

  // Keeps the strings' memory for the next request. The fields are the parser's to clear: it knows
  // which of them there were.
  void clear_line();
};

}  // namespace ringserve::http
