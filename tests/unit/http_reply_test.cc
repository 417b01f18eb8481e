// Replies as text: which fields each status has, and that none is longer than it may be.
#include "server/http/reply.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace ringserve::http {
namespace {

constexpr const char* kModified = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr int64_t kReplyModified_s = 784111777;
constexpr int64_t kReplyNow_s = 1'795'000'000;
constexpr std::string_view kMore = "X-Frame-Options: DENY\r\n";
constexpr std::string_view kAlso = "Access-Control-Allow-Origin: https://a.example\r\n";

// What the server knows of one file, and the replies to requests for it.
class ReplyTest : public testing::Test {
 protected:
  ReplyTest() {
    preamble_.set_time(kReplyNow_s);
    entity_.content_type = "text/css; charset=utf-8";
    entity_.etag = "\"17a4-3e8\"";
    entity_.mtime_s = kReplyModified_s;
    request_.method = Method::get;
  }

  EntityFacts facts() {
    entity_.size_bytes = size_bytes_;
    described_ = describe(entity_);
    EntityFacts facts{size_bytes_, entity_.mtime_s, entity_.has_mtime, entity_.etag};
    facts.set_fields(described_.lines, described_.repeated_bytes, described_.part_bytes);
    return facts;
  }

  // The reply to request_, its text in text_.
  Reply reply() {
    HeadBuffer out(room_, sizeof room_);
    Reply made = reply_with_file(request_, facts(), preamble_, true, kMore, kAlso, out);
    text_.assign(room_, out.size());
    return made;
  }

  Reply error_page(int status, bool head_only) {
    HeadBuffer out(room_, sizeof room_);
    Reply made = reply_with_error_page(status, facts(), preamble_, {head_only, true, kMore}, out);
    text_.assign(room_, out.size());
    return made;
  }

  std::string error(int status, bool head_only = false) {
    HeadBuffer out(room_, sizeof room_);
    reply_with_error(status, preamble_, {head_only, false, kMore}, out);
    return text_.assign(room_, out.size());
  }

  bool has(std::string_view line) const {
    return text_.find("\r\n" + std::string(line) + "\r\n") != std::string::npos;
  }
  // How often a field stands in the head.
  size_t count(std::string_view name) const {
    size_t found = 0;
    const std::string start = "\r\n" + std::string(name) + ": ";
    for (size_t at = 0; (at = text_.find(start, at)) != std::string::npos; ++at) ++found;
    return found;
  }
  std::string body() const { return text_.substr(text_.find("\r\n\r\n") + 4); }

  Preamble preamble_{"ringserve/1"};
  EntityFields entity_;
  uint64_t size_bytes_ = 1000;
  Request request_;
  EntityText described_;
  std::string text_;
  char room_[kReplyHeadBytesMax];
};

TEST_F(ReplyTest, a_file_is_200_with_all_its_fields) {
  entity_.cache_control = "max-age=60";
  entity_.vary = "Accept-Encoding";
  entity_.content_encoding = "br";
  entity_.more = kMore;
  const Reply made = reply();
  EXPECT_EQ(made.status, 200);
  EXPECT_EQ(made.body_offset, 0u);
  EXPECT_EQ(made.body_length, 1000u);
  EXPECT_EQ(made.parts, nullptr);
  EXPECT_EQ(text_,
            "HTTP/1.1 200 OK\r\nServer: ringserve/1\r\nDate: Wed, 18 Nov 2026 11:06:40 GMT\r\n"
            "ETag: \"17a4-3e8\"\r\nCache-Control: max-age=60\r\nVary: Accept-Encoding\r\n"
            "X-Frame-Options: DENY\r\nContent-Type: text/css; charset=utf-8\r\n"
            "Content-Encoding: br\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Accept-Ranges: bytes\r\nContent-Length: 1000\r\n"
            "Access-Control-Allow-Origin: https://a.example\r\nConnection: keep-alive\r\n\r\n");
}

TEST_F(ReplyTest, a_head_is_the_same_without_a_body) {
  (void)reply();
  const std::string get = text_;
  request_.method = Method::head;
  request_.range = "bytes=0-9";
  const Reply made = reply();
  EXPECT_EQ(made.status, 200);
  EXPECT_EQ(made.body_length, 0u);
  EXPECT_EQ(text_, get);
}

TEST_F(ReplyTest, a_304_repeats_what_a_cache_needs_and_no_more) {
  entity_.cache_control = "max-age=60";
  entity_.vary = "Accept-Encoding";
  entity_.more = kMore;
  request_.if_none_match = entity_.etag;
  const Reply made = reply();
  EXPECT_EQ(made.status, 304);
  EXPECT_EQ(made.body_length, 0u);
  EXPECT_EQ(text_,
            "HTTP/1.1 304 Not Modified\r\nServer: ringserve/1\r\n"
            "Date: Wed, 18 Nov 2026 11:06:40 GMT\r\nETag: \"17a4-3e8\"\r\n"
            "Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\nX-Frame-Options: DENY\r\n"
            "Access-Control-Allow-Origin: https://a.example\r\nConnection: keep-alive\r\n\r\n");
}

TEST_F(ReplyTest, a_304_without_etag_has_last_modified) {
  entity_.etag = {};
  request_.if_modified_since = kModified;
  EXPECT_EQ(reply().status, 304);
  EXPECT_TRUE(has("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"));
  EXPECT_EQ(count("ETag"), 0u);
  EXPECT_EQ(count("Content-Type"), 0u);
}

TEST_F(ReplyTest, a_file_without_a_useful_time_tells_none) {
  entity_.has_mtime = false;
  request_.if_modified_since = kModified;
  EXPECT_EQ(reply().status, 200);
  EXPECT_EQ(count("Last-Modified"), 0u);
  EXPECT_EQ(count("ETag"), 1u);
}

TEST_F(ReplyTest, a_failed_condition_is_412_with_the_lines_of_the_site) {
  request_.if_match = "\"other\"";
  EXPECT_EQ(reply().status, 412);
  EXPECT_TRUE(has("X-Frame-Options: DENY"));
  EXPECT_TRUE(has("Access-Control-Allow-Origin: https://a.example"));
  EXPECT_EQ(count("ETag"), 0u);
  EXPECT_EQ(body(), "412 Precondition Failed\n");
  request_.method = Method::head;
  EXPECT_EQ(reply().status, 412);
  EXPECT_EQ(body(), "");
}

TEST_F(ReplyTest, a_range_is_206) {
  request_.range = "bytes=100-299";
  const Reply made = reply();
  EXPECT_EQ(made.status, 206);
  EXPECT_EQ(made.body_offset, 100u);
  EXPECT_EQ(made.body_length, 200u);
  EXPECT_TRUE(has("Content-Range: bytes 100-299/1000"));
  EXPECT_TRUE(has("Content-Length: 200"));
  for (const char* name : {"ETag", "Last-Modified", "Content-Type", "Accept-Ranges", "Date"}) {
    EXPECT_EQ(count(name), 1u) << name;
  }
}

TEST_F(ReplyTest, a_range_behind_the_end_is_416_and_tells_the_size) {
  request_.range = "bytes=1000-";
  EXPECT_EQ(reply().status, 416);
  EXPECT_TRUE(has("Content-Range: bytes */1000"));
  EXPECT_TRUE(has("X-Frame-Options: DENY"));
  EXPECT_TRUE(has("Access-Control-Allow-Origin: https://a.example"));
  EXPECT_EQ(body(), "416 Range Not Satisfiable\n");
}

TEST_F(ReplyTest, a_range_of_another_state_of_the_file_is_the_whole) {
  request_.range = "bytes=1000-";
  request_.if_range = "\"other\"";
  EXPECT_EQ(reply().status, 200);
  request_.range = "bytes=0-9";
  request_.if_range = entity_.etag;
  EXPECT_EQ(reply().status, 206);
  request_.if_range = kModified;
  EXPECT_EQ(reply().status, 206);
}

TEST_F(ReplyTest, several_ranges_are_a_multipart_without_a_content_range) {
  request_.range = "bytes=0-9,500-509";
  const Reply made = reply();
  EXPECT_EQ(made.status, 206);
  EXPECT_EQ(made.body_length, 0u);
  ASSERT_NE(made.parts, nullptr);
  EXPECT_EQ(count("Content-Range"), 0u);
  EXPECT_EQ(count("Content-Type"), 1u);
  EXPECT_EQ(text_.find("text/css"), std::string::npos);
  EXPECT_TRUE(has("Content-Length: " + std::to_string(made.parts->length())));
  EXPECT_EQ(count("ETag"), 1u);
  EXPECT_EQ(count("Last-Modified"), 1u);
}

// The body that the parts make, with 'x' for the file's bytes; and the ranges, in order.
std::string body_of(Multipart& parts, std::vector<ByteRange>& ranges) {
  std::string body, text;
  ByteRange range;
  while (parts.next(text, range)) {
    body += text + std::string(range.length, 'x');
    ranges.push_back(range);
  }
  return body + text;
}

TEST_F(ReplyTest, a_multipart_has_each_part_with_its_head) {
  Multipart parts({{500, 3}, {0, 2}}, facts(), "B");
  std::vector<ByteRange> ranges;
  const std::string body = body_of(parts, ranges);
  EXPECT_EQ(body,
            "--B\r\nContent-Type: text/css; charset=utf-8\r\n"
            "Content-Range: bytes 500-502/1000\r\n\r\nxxx"
            "\r\n--B\r\nContent-Type: text/css; charset=utf-8\r\n"
            "Content-Range: bytes 0-1/1000\r\n\r\nxx"
            "\r\n--B--\r\n");
  EXPECT_EQ(parts.length(), body.size());
  EXPECT_EQ(ranges, (std::vector<ByteRange>{{500, 3}, {0, 2}}));
}

TEST_F(ReplyTest, the_length_of_a_multipart_is_that_of_its_body) {
  size_bytes_ = 100'000;
  std::string list;
  for (size_t i = 0; i < kRangesMax; ++i) {
    const std::string first = std::to_string(i * 3000);
    list += (list.empty() ? "bytes=" : ",") + first + "-" + std::to_string(i * 3000 + i);
    request_.range = list;
    const Reply made = reply();
    if (i == 0) continue;  // one range is no multipart
    ASSERT_NE(made.parts, nullptr);
    std::vector<ByteRange> ranges;
    EXPECT_EQ(body_of(*made.parts, ranges).size(), made.parts->length());
    EXPECT_EQ(ranges.size(), i + 1);
  }
}

TEST_F(ReplyTest, a_multipart_of_an_untyped_file_has_untyped_parts) {
  entity_.content_type = {};
  Multipart parts({{500, 3}}, facts(), "B");
  std::vector<ByteRange> ranges;
  EXPECT_EQ(body_of(parts, ranges).find("Content-Type"), std::string::npos);
}

TEST_F(ReplyTest, the_boundary_is_another_for_another_state_and_another_second) {
  request_.range = "bytes=0-9,500-509";
  const auto boundary = [this] {
    (void)reply();
    const size_t at = text_.find("boundary=") + 9;
    return text_.substr(at, text_.find("\r\n", at) - at);
  };
  const std::string first = boundary();
  EXPECT_EQ(boundary(), first);
  EXPECT_GE(first.size(), 16u);
  EXPECT_LE(first.size(), 70u) << "RFC 2046 section 5.1.1";
  entity_.etag = "\"17a4-3e9\"";
  EXPECT_NE(boundary(), first);
  entity_.etag = "\"17a4-3e8\"";
  preamble_.set_time(kReplyNow_s + 1);
  EXPECT_NE(boundary(), first);
}

TEST_F(ReplyTest, a_line_of_the_site_is_not_taken_for_the_type) {
  entity_.more = "X-Content-Type: none\r\nX-Content-Encoding: br\r\n";
  request_.range = "bytes=0-9,500-509";
  const Reply made = reply();
  ASSERT_NE(made.parts, nullptr);
  std::vector<ByteRange> ranges;
  EXPECT_NE(body_of(*made.parts, ranges).find("\r\nContent-Type: text/css"), std::string::npos);
}

TEST_F(ReplyTest, several_ranges_of_an_encoded_file_are_the_whole) {
  entity_.content_encoding = "gzip";
  request_.range = "bytes=0-9,500-509";
  EXPECT_EQ(reply().status, 200);
  request_.range = "bytes=0-9";
  EXPECT_EQ(reply().status, 206);
  EXPECT_TRUE(has("Content-Encoding: gzip"));
}

TEST_F(ReplyTest, an_error_page_is_the_whole_file_without_its_validators) {
  request_.range = "bytes=0-9";
  const Reply made = error_page(404, false);
  EXPECT_EQ(made.status, 404);
  EXPECT_EQ(made.body_length, 1000u);
  EXPECT_EQ(text_,
            "HTTP/1.1 404 Not Found\r\nServer: ringserve/1\r\n"
            "Date: Wed, 18 Nov 2026 11:06:40 GMT\r\nX-Frame-Options: DENY\r\n"
            "Content-Type: text/css; charset=utf-8\r\nContent-Length: 1000\r\n"
            "Connection: keep-alive\r\n\r\n");
  EXPECT_EQ(error_page(404, true).body_length, 0u);
  EXPECT_TRUE(has("Content-Length: 1000"));
  (void)error_page(405, false);
  EXPECT_TRUE(has("Allow: GET, HEAD, OPTIONS"));
  (void)error_page(503, false);
  EXPECT_TRUE(has("Retry-After: 1"));
}

TEST_F(ReplyTest, an_error_has_a_small_body_and_the_lines_of_the_site) {
  error(404);
  EXPECT_TRUE(text_.starts_with("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_TRUE(has("X-Frame-Options: DENY"));
  EXPECT_TRUE(has("Content-Type: text/plain"));
  EXPECT_TRUE(has("Content-Length: 14"));
  EXPECT_TRUE(has("Connection: close"));
  EXPECT_EQ(body(), "404 Not Found\n");
  error(404, true);
  EXPECT_TRUE(has("Content-Length: 14"));
  EXPECT_EQ(body(), "");
}

TEST_F(ReplyTest, an_error_has_the_fields_that_its_status_asks_for) {
  error(405);
  EXPECT_TRUE(has("Allow: GET, HEAD, OPTIONS"));
  error(406);
  EXPECT_TRUE(has("Vary: Accept-Encoding"));
  EXPECT_NE(body().find("identity"), std::string::npos);
  error(429);
  EXPECT_TRUE(has("Retry-After: 1"));
  error(503);
  EXPECT_TRUE(has("Retry-After: 1"));
  error(404);
  EXPECT_EQ(count("Allow") + count("Retry-After") + count("Vary"), 0u);
}

TEST_F(ReplyTest, options_are_204_without_a_length) {
  HeadBuffer out(room_, sizeof room_);
  reply_with_options(preamble_, {false, true, kMore}, {}, out);
  text_.assign(room_, out.size());
  EXPECT_EQ(text_,
            "HTTP/1.1 204 No Content\r\nServer: ringserve/1\r\n"
            "Date: Wed, 18 Nov 2026 11:06:40 GMT\r\nAllow: GET, HEAD, OPTIONS\r\n"
            "X-Frame-Options: DENY\r\nConnection: keep-alive\r\n\r\n");
  HeadBuffer preflight(room_, sizeof room_);
  reply_with_options(preamble_, {false, true, {}}, kAlso, preflight);
  text_.assign(room_, preflight.size());
  EXPECT_TRUE(has("Access-Control-Allow-Origin: https://a.example"));
}

TEST_F(ReplyTest, a_redirect_is_301_with_its_location) {
  text_ = reply_with_redirect("/new?a", preamble_, {false, true, kMore});
  EXPECT_TRUE(text_.starts_with("HTTP/1.1 301 Moved Permanently\r\n"));
  EXPECT_TRUE(has("Location: /new?a"));
  EXPECT_TRUE(has("X-Frame-Options: DENY"));
  EXPECT_EQ(body(), "301 Moved Permanently\n");
  EXPECT_TRUE(has("Content-Length: " + std::to_string(body().size())));
  text_ = reply_with_redirect("/new", preamble_, {true, false, {}});
  EXPECT_EQ(body(), "");
  EXPECT_TRUE(has("Connection: close"));
}

// HeadBuffer checks its room: what does not fit ends the program. The site says as much as it may,
// and every number is as long as it gets.
TEST_F(ReplyTest, no_head_is_longer_than_its_bound) {
  preamble_ = Preamble("ringserve/1000.1000.1000");
  preamble_.set_time(kReplyNow_s);
  size_bytes_ = std::numeric_limits<uint64_t>::max();
  entity_.etag = "\"ffffffffffffffff-ffffffffffffffff-ffffffffffffffff-ffffffffffffffff-br\"";
  entity_.content_encoding = "gzip";
  entity_.vary = "Accept-Encoding";
  const std::string type(100, 't');
  entity_.content_type = type;
  const std::string site(kSiteFieldsBytesMax - kAlso.size(), 's');
  entity_.more = site;
  size_t longest = 0;
  const auto note = [&] { longest = std::max(longest, text_.size()); };
  (void)reply(), note();
  request_.range = "bytes=18446744073709551613-18446744073709551614";
  EXPECT_EQ(reply().status, 206), note();
  entity_.content_encoding = {};
  request_.range = "bytes=18446744073709551613-18446744073709551614,0-0";
  EXPECT_NE(reply().parts, nullptr), note();
  request_.if_none_match = "*";
  EXPECT_EQ(reply().status, 304), note();

  const auto append_errors = [&](int status) {
    HeadBuffer out(room_, sizeof room_);
    reply_with_error(status, preamble_, {false, true, site}, out);
    text_.assign(room_, out.size()), note();
    HeadBuffer page(room_, sizeof room_);
    (void)reply_with_error_page(status, facts(), preamble_, {false, true, site}, page);
    text_.assign(room_, page.size()), note();
  };
  for (int status = 400; status < 600; ++status) append_errors(status);
  HeadBuffer out(room_, sizeof room_);
  reply_with_options(preamble_, {false, true, site}, kAlso, out);
  text_.assign(room_, out.size()), note();

  EXPECT_GT(longest, kSiteFieldsBytesMax);
  EXPECT_LE(longest, kReplyHeadBytesMax);
}

}  // namespace
}  // namespace ringserve::http
