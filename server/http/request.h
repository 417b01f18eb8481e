// A parsed request head: the fields a static-file server acts on, and nothing else.
#pragma once

#include <cstdint>
#include <string>

namespace ringserve::http {

enum class Method : uint8_t { get, head, other };

struct Request {
  Method method = Method::other;
  uint8_t version_minor = 1;  // HTTP/1.minor
  bool keep_alive = false;    // what the client wants: RFC 9112 section 9.3
  bool asks_to_close = false;  // it will send nothing more: RFC 9112 section 9.6
  bool expects_continue = false;
  std::string target;  // as received: RFC 9112 section 3.2
  std::string if_match, if_none_match, if_modified_since, if_unmodified_since, if_range, range;

  // Both keep the strings' memory for the next request; clear() leaves the fields of the second
  // line of strings, most requests having none.
  void clear();
  void clear_fields();
};

}  // namespace ringserve::http
