// Replies: head bytes, and which part of the file follows them. Pure text; the caller sends.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/check.h"
#include "server/http/limits.h"
#include "server/http/range.h"
#include "server/http/request.h"

namespace ringserve::http {

// Bytes appended into memory that the caller owns and has room in.
class HeadBuffer {
 public:
  HeadBuffer(char* begin, size_t room) : begin_(begin), at_(begin), end_(begin + room) {}

  void append(std::string_view text) {
    CHECK(text.size() <= static_cast<size_t>(end_ - at_));
    if (text.empty()) return;  // memcpy(3) takes no null pointer, not even for nothing
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

// What a reply says about a file.
struct EntityFacts {
  uint64_t size_bytes = 0;
  int64_t mtime_s = 0;    // seconds since the epoch
  bool has_mtime = true;  // Last-Modified is among the fields
  std::string_view etag;  // with quotes; empty: none
  // What describe() says: all of it, and the beginnings that a 206 and a 304 have too.
  std::string_view whole_fields{}, part_fields{}, repeated_fields{};

  void set_fields(std::string_view lines, size_t repeated_bytes, size_t part_bytes) {
    CHECK(repeated_bytes <= part_bytes && part_bytes < lines.size());
    whole_fields = lines;
    part_fields = lines.substr(0, part_bytes);
    repeated_fields = lines.substr(0, repeated_bytes);
  }
};

// What describe() makes lines of. Empty: no such line.
struct EntityFields {
  std::string_view content_type, content_encoding, etag, cache_control;
  std::string_view vary;  // "Accept-Encoding"
  std::string_view more;  // of the site, for every reply: whole lines, CRLF included
  uint64_t size_bytes = 0;
  bool has_mtime = true;
  int64_t mtime_s = 0;
};

// The lines of a 200, each ending in CRLF. Made once, when the file is opened.
struct EntityText {
  std::string lines;
  // The beginning that a 304 has too: RFC 9110 section 15.4.5. Last-Modified is in it only where
  // there is no ETag.
  size_t repeated_bytes = 0;
  size_t part_bytes = 0;  // that a 206 has too: all but the Content-Length
};
EntityText describe(const EntityFields& entity);

// The lines that change once a second. One per worker.
class Preamble {
 public:
  explicit Preamble(std::string server) : server_(std::move(server)) {}
  // Rebuilds the text if the second has changed; call once per turn of the loop.
  void set_time(int64_t now_s);
  std::string_view ok() const { return ok_; }          // "HTTP/1.1 200 OK\r\n" and the rest
  std::string_view fields() const { return fields_; }  // "Server: ...\r\nDate: ...\r\n"
  int64_t now_s() const { return now_s_; }

 private:
  std::string server_;
  int64_t now_s_ = -1;
  std::string fields_, ok_;
};

// The parts of a multipart/byteranges reply (RFC 9110 section 14.6), after its head.
class Multipart {
 public:
  // `ranges`: not empty. `boundary`: 1 to 70 characters (RFC 2046 section 5.1.1).
  Multipart(std::vector<ByteRange> ranges, const EntityFacts& entity, std::string_view boundary);
  uint64_t length() const { return length_; }  // of the whole body, in bytes
  // The text in front of the next part, and the part; false after the last, when only the closing
  // delimiter is left, which `text` is then.
  bool next(std::string& text, ByteRange& range);

 private:
  std::string part_head(size_t index) const;
  std::string closing() const;

  std::vector<ByteRange> ranges_;
  std::string content_type_line_, boundary_;
  uint64_t size_bytes_ = 0;  // of the file
  uint64_t length_ = 0;
  size_t next_ = 0;  // which part is next
};

struct Reply {
  int status = 0;
  uint64_t body_offset = 0;  // the part of the file that follows the head, in bytes
  uint64_t body_length = 0;  // 0: nothing follows, or `parts`
  std::unique_ptr<Multipart> parts{};
};

// What a reply without a file, or with an error page, needs besides its status.
struct ErrorFacts {
  bool head_only = false;
  bool keep_alive = true;
  std::string_view more;  // lines of the site, CRLF included
};

// 200, 206, 304, 412 or 416 for a GET or HEAD of a file. Writes at most kReplyHeadBytesMax. `more`
// are the site's lines for replies that are not about the file (412, 416), and `also` are lines for
// this one reply, such as Access-Control-Allow-Origin of one of several origins.
Reply reply_with_file(const Request& request, const EntityFacts& entity, const Preamble& preamble,
                      bool keep_alive, std::string_view more, std::string_view also,
                      HeadBuffer& out);

// `status` with the whole of a file as its body: an error page. No conditions, no ranges, and none
// of the file's validators: they would be taken for those of what was asked for.
Reply reply_with_error_page(int status, const EntityFacts& entity, const Preamble& preamble,
                            const ErrorFacts& facts, HeadBuffer& out);

// An error with its small body (no body where `head_only`). Writes at most kReplyHeadBytesMax.
void reply_with_error(int status, const Preamble& preamble, const ErrorFacts& facts,
                      HeadBuffer& out);

// 204 to OPTIONS: Allow, and `cors_fields`, the lines that answer a preflight (Fetch standard,
// section "CORS protocol"), or nothing.
void reply_with_options(const Preamble& preamble, const ErrorFacts& facts,
                        std::string_view cors_fields, HeadBuffer& out);

// 301; `location` is a whole URL or begins with one slash. Returned as text: it may be long.
std::string reply_with_redirect(std::string_view location, const Preamble& preamble,
                                const ErrorFacts& facts);

// "Not Found" for 404; "Unknown" for a status this server never sends.
std::string_view reason_phrase(int status);

}  // namespace ringserve::http
