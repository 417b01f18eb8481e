// Replies: head bytes, and which part of the file follows them. Pure text; the caller sends.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "common/check.h"
#include "server/http/request.h"

namespace ringserve::http {

// An upper bound for every head but a redirect's, whose Location is as long as the client made it.
constexpr size_t kReplyHeadBytesMax = 1024;

// Bytes appended into memory that the caller owns and has room in.
class HeadBuffer {
 public:
  HeadBuffer(char* begin, size_t room) : begin_(begin), at_(begin), end_(begin + room) {}

  void append(std::string_view text) {
    CHECK(text.size() <= static_cast<size_t>(end_ - at_));
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void append_number(uint64_t value);
  size_t size() const { return static_cast<size_t>(at_ - begin_); }

 private:
  char* begin_;
  char* at_;
  char* end_;
};

// What a reply says about a file, made once when the file is opened.
struct EntityFacts {
  uint64_t size_bytes = 0;
  int64_t mtime_s = 0;
  std::string_view etag;    // with quotes
  std::string_view fields;  // from entity_fields()
};

// Content-Type, Last-Modified, ETag and Accept-Ranges, as lines ending in CRLF.
std::string entity_fields(std::string_view content_type, int64_t mtime_s, std::string_view etag);

// The lines that change once a second. One per worker.
class Preamble {
 public:
  explicit Preamble(std::string server) : server_(std::move(server)) {}
  // Rebuilds the text if the second has changed; call once per turn of the loop.
  void set_time(int64_t now_s);
  std::string_view ok() const { return ok_; }          // "HTTP/1.1 200 OK\r\n" and the rest
  std::string_view fields() const { return fields_; }  // "Server: ...\r\nDate: ...\r\n"

 private:
  std::string server_;
  int64_t now_s_ = -1;
  std::string fields_, ok_;
};

struct Reply {
  int status = 0;
  uint64_t body_offset = 0;  // the part of the file that follows the head, in bytes
  uint64_t body_length = 0;  // 0: nothing follows
};

// 200, 206, 304, 412 or 416 for a GET or HEAD of a file. Writes at most kReplyHeadBytesMax.
Reply reply_with_file(const Request& request, const EntityFacts& entity, const Preamble& preamble,
                      bool keep_alive, HeadBuffer& out);

// An error with its small body (no body where `head_only`). Writes at most kReplyHeadBytesMax.
void reply_with_error(int status, bool head_only, const Preamble& preamble, bool keep_alive,
                      HeadBuffer& out);

// 301 to a path of this host; `location` is from encode_path(). Returned as text: it may be long.
std::string reply_with_redirect(std::string_view location, bool head_only, const Preamble& preamble,
                                bool keep_alive);

// "Not Found" for 404; "Unknown" for a status this server never sends.
std::string_view reason_phrase(int status);

}  // namespace ringserve::http
