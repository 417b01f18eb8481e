// Every reply has Server, Date (RFC 9110 section 6.6.1) and Content-Length, except 204 and 304
// (section 8.6). "Connection: keep-alive" is sent as well as "close": HTTP/1.0 clients need to hear
// it.
#include "server/http/reply.h"

#include <fmt/format.h>

#include <functional>

#include "server/http/conditions.h"
#include "server/http/date.h"
#include "server/http/range.h"

namespace ringserve::http {
namespace {

// The last line of a head, and its end.
constexpr std::string_view kCloseEnd = "Connection: close\r\n\r\n";
constexpr std::string_view kKeepAliveEnd = "Connection: keep-alive\r\n\r\n";
constexpr std::string_view kAllow = "Allow: GET, HEAD, OPTIONS\r\n";
constexpr std::string_view kVaryEncoding = "Vary: Accept-Encoding\r\n";
constexpr std::string_view kContentType = "Content-Type: ";
constexpr std::string_view kPlainText = "Content-Type: text/plain\r\n";
void append_start(int status, const Preamble& preamble, HeadBuffer& out) {
  out.append("HTTP/1.1 ");
  out.append_number(static_cast<uint64_t>(status));
  out.append(" ");
  out.append(reason_phrase(status));
  out.append("\r\n");
  out.append(preamble.fields());
}

void append_content_length(uint64_t length, HeadBuffer& out) {
  out.append("Content-Length: ");
  out.append_number(length);
  out.append("\r\n");
}

void append_end(bool keep_alive, HeadBuffer& out) {
  out.append(keep_alive ? kKeepAliveEnd : kCloseEnd);
}

// What follows the reason in the body of an error. RFC 9110 section 15.5.7: what there is instead;
// identity there is always.
std::string_view hint_for(int status) {
  return status == 406 ? "There is a form without content coding (identity).\n" : "";
}

// The lines that a status asks for.
void append_fields_of(int status, HeadBuffer& out) {
  switch (status) {
    case 405: out.append(kAllow); break;                // RFC 9110 section 15.5.6
    case 406: out.append(kVaryEncoding); break;         // section 12.5.5
    case 429:                                           // RFC 6585 section 4
    case 503: out.append("Retry-After: 1\r\n"); break;  // RFC 9110 section 15.6.4
    default: break;
  }
}

// An error with its small body. `also` are lines for this one reply.
void append_error(int status, const Preamble& preamble, const ErrorFacts& facts,
                  std::string_view also, HeadBuffer& out) {
  const std::string_view reason = reason_phrase(status);
  const std::string_view hint = hint_for(status);
  append_start(status, preamble, out);
  append_fields_of(status, out);
  out.append(facts.more);
  out.append(also);
  out.append(kPlainText);
  append_content_length(3 + 1 + reason.size() + 1 + hint.size(), out);  // "404 Not Found\n"
  append_end(facts.keep_alive, out);
  if (facts.head_only) return;
  out.append_number(static_cast<uint64_t>(status));
  out.append(" ");
  out.append(reason);
  out.append("\n");
  out.append(hint);
}

void append_content_range(const ByteRange& range, uint64_t size_bytes, HeadBuffer& out) {
  out.append("Content-Range: bytes ");
  out.append_number(range.offset);
  out.append("-");
  out.append_number(range.end() - 1);
  out.append("/");
  out.append_number(size_bytes);
  out.append("\r\n");
}

// What no other content of this server contains: a text that is in a file was there before the file
// had this entity-tag, and before this second. Nothing has to be kept secret: who writes a file
// could only confuse the readers of the same file.
std::string boundary_for(const EntityFacts& entity, const Preamble& preamble) {
  const std::string facts =
      fmt::format("{} {} {} {}", entity.etag, entity.size_bytes, entity.mtime_s, preamble.now_s());
  return fmt::format("ringserve-{:016x}", std::hash<std::string>{}(facts));
}

// describe() puts the Content-Type and the Content-Encoding right behind the lines of a 304.
std::string_view without_repeated(const EntityFacts& entity) {
  return entity.part_fields.substr(entity.repeated_fields.size());
}

// Its line, CRLF included; empty if the file has none.
std::string_view content_type_line(const EntityFacts& entity) {
  const std::string_view lines = without_repeated(entity);
  return lines.starts_with(kContentType) ? lines.substr(0, lines.find("\r\n") + 2) : "";
}

bool is_encoded(const EntityFacts& entity) {
  const std::string_view lines = without_repeated(entity);
  return lines.substr(content_type_line(entity).size()).starts_with("Content-Encoding: ");
}

Reply reply_with_parts(std::vector<ByteRange> ranges, const EntityFacts& entity,
                       const Preamble& preamble, bool keep_alive, std::string_view also,
                       HeadBuffer& out) {
  const std::string boundary = boundary_for(entity, preamble);
  auto parts = std::make_unique<Multipart>(std::move(ranges), entity, boundary);
  append_start(206, preamble, out);
  out.append(entity.repeated_fields);
  out.append(kContentType);
  out.append("multipart/byteranges; boundary=");
  out.append(boundary);
  out.append("\r\n");
  out.append(without_repeated(entity).substr(content_type_line(entity).size()));
  out.append(also);
  append_content_length(parts->length(), out);
  append_end(keep_alive, out);
  return {206, 0, 0, std::move(parts)};
}

Reply reply_with_part(const ByteRange& range, const EntityFacts& entity, const Preamble& preamble,
                      bool keep_alive, std::string_view also, HeadBuffer& out) {
  append_start(206, preamble, out);
  out.append(entity.part_fields);
  out.append(also);
  append_content_range(range, entity.size_bytes, out);
  append_content_length(range.length, out);
  append_end(keep_alive, out);
  return {206, range.offset, range.length};
}

Reply reply_with_whole(const Request& request, const EntityFacts& entity, const Preamble& preamble,
                       bool keep_alive, std::string_view also, HeadBuffer& out) {
  out.append(preamble.ok());
  out.append(entity.whole_fields);
  if (!also.empty()) out.append(also);
  append_end(keep_alive, out);
  return {200, 0, request.method == Method::get ? entity.size_bytes : 0};
}

Reply reply_with_not_modified(const EntityFacts& entity, const Preamble& preamble, bool keep_alive,
                              std::string_view also, HeadBuffer& out) {
  append_start(304, preamble, out);
  out.append(entity.repeated_fields);
  if (!also.empty()) out.append(also);
  append_end(keep_alive, out);
  return {304};
}

bool is_conditional(const Request& request) {
  return !request.if_none_match.empty() || !request.if_modified_since.empty() ||
         !request.if_match.empty() || !request.if_unmodified_since.empty();
}

Validators validators_of(const EntityFacts& entity, const Preamble& preamble) {
  return {entity.etag, entity.mtime_s, entity.has_mtime, preamble.now_s()};
}

ErrorFacts error_facts(const Request& request, bool keep_alive, std::string_view more) {
  return {request.method == Method::head, keep_alive, more};
}

Reply reply_with_ranges(const Request& request, const EntityFacts& entity, const Preamble& preamble,
                        bool keep_alive, std::string_view more, std::string_view also,
                        HeadBuffer& out) {
  RangeResult range;
  if (request.if_range.empty() ||
      if_range_holds(request.if_range, validators_of(entity, preamble))) {
    range = parse_range(request.range, entity.size_bytes);
  }
  switch (range.kind) {
    case RangeResult::part:
      return reply_with_part(range.range, entity, preamble, keep_alive, also, out);
    case RangeResult::parts:
      // Content-Encoding in the head of a multipart would be taken for that of the multipart
      // itself.
      if (is_encoded(entity)) break;
      return reply_with_parts(std::move(range.ranges), entity, preamble, keep_alive, also, out);
    case RangeResult::unsatisfiable: {
      const std::string lines =
          fmt::format("{}Content-Range: bytes */{}\r\n", also, entity.size_bytes);
      append_error(416, preamble, error_facts(request, keep_alive, more), lines, out);
      return {416};
    }
    case RangeResult::whole: break;
  }
  return reply_with_whole(request, entity, preamble, keep_alive, also, out);
}

}  // namespace

void HeadBuffer::append_number(uint64_t value) {
  const fmt::format_int digits(value);
  append({digits.data(), digits.size()});
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

EntityText describe(const EntityFields& entity) {
  EntityText text;
  std::string& out = text.lines;
  const auto line = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) out.append(name).append(": ").append(value).append("\r\n");
  };
  const std::string modified = entity.has_mtime ? format_date(entity.mtime_s) : "";
  line("ETag", entity.etag);
  line("Cache-Control", entity.cache_control);
  line("Vary", entity.vary);
  out += entity.more;
  if (entity.etag.empty()) line("Last-Modified", modified);
  text.repeated_bytes = out.size();
  line("Content-Type", entity.content_type);
  line("Content-Encoding", entity.content_encoding);
  if (!entity.etag.empty()) line("Last-Modified", modified);
  line("Accept-Ranges", "bytes");
  text.part_bytes = out.size();
  line("Content-Length", std::to_string(entity.size_bytes));
  return text;
}

void Preamble::set_time(int64_t now_s) {
  if (now_s == now_s_) return;
  now_s_ = now_s;
  fields_ = fmt::format("Server: {}\r\nDate: {}\r\n", server_, format_date(now_s));
  ok_ = "HTTP/1.1 200 OK\r\n" + fields_;
}

Multipart::Multipart(std::vector<ByteRange> ranges, const EntityFacts& entity,
                     std::string_view boundary)
    : ranges_(std::move(ranges)),
      content_type_line_(content_type_line(entity)),
      boundary_(boundary),
      size_bytes_(entity.size_bytes) {
  for (size_t i = 0; i < ranges_.size(); ++i) length_ += part_head(i).size() + ranges_[i].length;
  length_ += closing().size();
}

std::string Multipart::part_head(size_t index) const {
  const ByteRange& range = ranges_[index];
  return fmt::format("{}--{}\r\n{}Content-Range: bytes {}-{}/{}\r\n\r\n", index == 0 ? "" : "\r\n",
                     boundary_, content_type_line_, range.offset, range.end() - 1, size_bytes_);
}

std::string Multipart::closing() const { return fmt::format("\r\n--{}--\r\n", boundary_); }

bool Multipart::next(std::string& text, ByteRange& range) {
  if (next_ == ranges_.size()) {
    text = closing();
    return false;
  }
  text = part_head(next_);
  range = ranges_[next_++];
  return true;
}

Reply reply_with_file(const Request& request, const EntityFacts& entity, const Preamble& preamble,
                      bool keep_alive, std::string_view more, std::string_view also,
                      HeadBuffer& out) {
  if (is_conditional(request)) {
    switch (evaluate_conditions(request, validators_of(entity, preamble))) {
      case Verdict::not_modified:
        return reply_with_not_modified(entity, preamble, keep_alive, also, out);
      case Verdict::precondition_failed:
        append_error(412, preamble, error_facts(request, keep_alive, more), also, out);
        return {412};
      case Verdict::proceed: break;
    }
  }
  // RFC 9110 section 14.2: Range is defined for GET only.
  if (request.range.empty() || request.method != Method::get) {
    return reply_with_whole(request, entity, preamble, keep_alive, also, out);
  }
  return reply_with_ranges(request, entity, preamble, keep_alive, more, also, out);
}

Reply reply_with_error_page(int status, const EntityFacts& entity, const Preamble& preamble,
                            const ErrorFacts& facts, HeadBuffer& out) {
  append_start(status, preamble, out);
  append_fields_of(status, out);
  out.append(facts.more);
  out.append(content_type_line(entity));
  append_content_length(entity.size_bytes, out);
  append_end(facts.keep_alive, out);
  return {status, 0, facts.head_only ? 0 : entity.size_bytes};
}

void reply_with_error(int status, const Preamble& preamble, const ErrorFacts& facts,
                      HeadBuffer& out) {
  append_error(status, preamble, facts, {}, out);
}

void reply_with_options(const Preamble& preamble, const ErrorFacts& facts,
                        std::string_view cors_fields, HeadBuffer& out) {
  append_start(204, preamble, out);
  out.append(kAllow);
  out.append(facts.more);
  out.append(cors_fields);
  append_end(facts.keep_alive, out);
}

std::string reply_with_redirect(std::string_view location, const Preamble& preamble,
                                const ErrorFacts& facts) {
  const std::string text = fmt::format("301 {}\n", reason_phrase(301));
  return fmt::format("HTTP/1.1 301 {}\r\n{}Location: {}\r\n{}{}Content-Length: {}\r\n{}{}",
                     reason_phrase(301), preamble.fields(), location, facts.more, kPlainText,
                     text.size(), facts.keep_alive ? kKeepAliveEnd : kCloseEnd,
                     facts.head_only ? "" : text);
}

}  // namespace ringserve::http
