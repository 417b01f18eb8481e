// From a request's bytes to the reply's: whatever is asked, the answer is exactly one response, as
// ringload's parser reads it, its length is that of what follows, and its bytes are those of the
// file it speaks of. Input: the file's size and mtime in a line each, then the bytes of requests.
#include "server/http/reply.h"

#include <memory>
#include <string>
#include <vector>

#include "client/load/engine/response_parser.h"
#include "common/check.h"
#include "server/http/limits.h"
#include "server/http/request_parser.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using namespace ringserve::http;

constexpr uint64_t kFileBytesMax = 50'000;
constexpr int64_t kNow = 1'795'243'800;

char byte_at(uint64_t offset) { return static_cast<char>(offset * 31 + offset / 251); }

std::string content(uint64_t offset, uint64_t length) {
  std::string bytes(length, '\0');
  for (uint64_t i = 0; i < length; ++i) bytes[i] = byte_at(offset + i);
  return bytes;
}

// A file, and what is said about it.
class Entity {
 public:
  Entity(uint64_t size_bytes, int64_t mtime_s) {
    EntityFields entity;
    entity.content_type = "text/plain; charset=utf-8";
    entity.etag = "\"abc\"";
    entity.cache_control = "max-age=60";
    entity.vary = "Accept-Encoding";
    entity.has_mtime = mtime_s > 0;
    entity.mtime_s = mtime_s;
    entity.size_bytes = size_bytes;
    text_ = describe(entity);
    facts_.size_bytes = size_bytes;
    facts_.mtime_s = mtime_s;
    facts_.has_mtime = entity.has_mtime;
    facts_.etag = entity.etag;
    facts_.set_fields(text_.lines, text_.repeated_bytes, text_.part_bytes);
  }
  Entity(const Entity&) = delete;  // facts_ points into text_
  Entity& operator=(const Entity&) = delete;
  const EntityFacts& facts() const { return facts_; }

 private:
  EntityText text_;
  EntityFacts facts_;
};

struct Bytes {
  int status = 0;
  std::string head, body;
};

// The parts of a multipart reply, each with the range it names.
std::string body_of(Multipart& parts, uint64_t size_bytes) {
  std::string body, text;
  ByteRange range;
  size_t count = 0;
  for (;;) {
    text.clear();
    const bool more = parts.next(text, range);
    body += text;
    if (!more) break;
    ++count;
    CHECK(range.length > 0 && range.length <= size_bytes &&
          range.offset <= size_bytes - range.length);
    const std::string named = "Content-Range: bytes " + std::to_string(range.offset) + "-" +
                              std::to_string(range.offset + range.length - 1) + "/" +
                              std::to_string(size_bytes) + "\r\n";
    CHECK(text.find(named) != std::string::npos);
    body += content(range.offset, range.length);
  }
  CHECK(count >= 2 && count <= kRangesMax);
  CHECK(body.size() == parts.length());
  return body;
}

Bytes reply_to(const Request& request, const EntityFacts& facts, const Preamble& preamble) {
  const auto room = std::make_unique<char[]>(kReplyHeadBytesMax);
  HeadBuffer out(room.get(), kReplyHeadBytesMax);
  const Reply reply =
      reply_with_file(request, facts, preamble, request.keep_alive, "X-Site: yes\r\n", "", out);
  Bytes bytes{reply.status, std::string(room.get(), out.size()), ""};
  // A small body of an error stands behind its head.
  const size_t end = bytes.head.find("\r\n\r\n");
  CHECK(end != std::string::npos);
  bytes.body = bytes.head.substr(end + 4);
  bytes.head.resize(end + 4);
  if (reply.body_length > 0) {
    CHECK(bytes.body.empty() && !reply.parts);
    CHECK(reply.body_length <= facts.size_bytes &&
          reply.body_offset <= facts.size_bytes - reply.body_length);
    bytes.body = content(reply.body_offset, reply.body_length);
  }
  if (reply.parts) bytes.body += body_of(*reply.parts, facts.size_bytes);
  return bytes;
}

void check_head_lines(const std::string& head) {
  size_t lengths = 0;
  auto lines = fuzz::split(std::string_view(head).substr(0, head.size() - 4), '\n');
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    CHECK(colon != std::string_view::npos && fuzz::is_token(lines[i].substr(0, colon)));
    if (lines[i].substr(0, colon) == "Content-Length") ++lengths;
  }
  CHECK(lengths <= 1);
}

void check_reply(const Request& request, const Bytes& reply, const EntityFacts& facts) {
  check_head_lines(reply.head);
  const bool head_only = request.method == Method::head;
  if (head_only) CHECK(reply.body.empty());

  ringload::ResponseParser parser;
  const std::string bytes = reply.head + reply.body;
  std::string_view rest = bytes;
  std::vector<std::string_view> decoded;
  CHECK(parser.feed(rest, head_only, &decoded) == ringload::ResponseParser::State::head_complete);
  CHECK(static_cast<int>(parser.head().status) == reply.status);
  CHECK(parser.head().content_length == rest.size() && rest == reply.body);
  CHECK(parser.head().keep_alive == request.keep_alive);
  switch (reply.status) {
    case 200: CHECK(head_only || reply.body == content(0, facts.size_bytes)); break;
    case 206: CHECK(!head_only && !request.range.empty()); break;
    case 304: CHECK(reply.body.empty()); break;
    case 412: break;
    case 416: CHECK(!request.range.empty()); break;
    default: CHECK(false);
  }
}

// HEAD says what GET says, a Range apart, which is for GET only (RFC 9110 section 14.2).
void check_head_request(Request request, const Bytes& reply, const EntityFacts& facts,
                        const Preamble& preamble) {
  if (request.method != Method::get || !request.range.empty()) return;
  request.method = Method::head;
  const Bytes head = reply_to(request, facts, preamble);
  CHECK(head.head == reply.head && head.status == reply.status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint64_t size_bytes = input.number<uint64_t>() % kFileBytesMax;
  const Entity entity(size_bytes, input.number<uint32_t>());
  Preamble preamble("ringserve");
  preamble.set_time(kNow);

  std::string_view rest = input.rest();
  RequestParser parser;
  while (!rest.empty()) {
    rest.remove_prefix(parser.feed(std::span(rest.data(), rest.size())));
    if (parser.state() != RequestParser::State::complete) break;
    const Request& request = parser.request();
    if (request.method == Method::get || request.method == Method::head) {
      const Bytes reply = reply_to(request, entity.facts(), preamble);
      check_reply(request, reply, entity.facts());
      check_head_request(request, reply, entity.facts(), preamble);
    }
    parser.reset();
  }
  return 0;
}
