// Every reply has Server, Date (RFC 9110 section 6.6.1) and Content-Length, except 304 (section
// 15.4.5). "Connection: keep-alive" is sent as well as "close": HTTP/1.0 clients need to hear it.
#include "server/http/reply.h"

#include <fmt/format.h>

#include "server/http/conditions.h"
#include "server/http/date.h"
#include "server/http/range.h"

namespace ringserve::http {
namespace {

constexpr std::string_view kClose = "Connection: close\r\n";
constexpr std::string_view kKeepAlive = "Connection: keep-alive\r\n";

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
  out.append(keep_alive ? kKeepAlive : kClose);
  out.append("\r\n");
}

void append_content_range(const RangeResult& range, uint64_t size_bytes, HeadBuffer& out) {
  out.append("Content-Range: bytes ");
  if (range.kind == RangeResult::unsatisfiable) {
    out.append("*");
  } else {
    out.append_number(range.offset);
    out.append("-");
    out.append_number(range.offset + range.length - 1);
  }
  out.append("/");
  out.append_number(size_bytes);
  out.append("\r\n");
}

std::string error_text(int status) { return fmt::format("{} {}\n", status, reason_phrase(status)); }

}  // namespace

void HeadBuffer::append_number(uint64_t value) {
  const fmt::format_int digits(value);
  append({digits.data(), digits.size()});
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

std::string entity_fields(std::string_view content_type, int64_t mtime_s, std::string_view etag) {
  return fmt::format(
      "Content-Type: {}\r\nLast-Modified: {}\r\nETag: {}\r\nAccept-Ranges: bytes\r\n", content_type,
      format_date(mtime_s), etag);
}

void Preamble::set_time(int64_t now_s) {
  if (now_s == now_s_) return;
  now_s_ = now_s;
  fields_ = fmt::format("Server: {}\r\nDate: {}\r\n", server_, format_date(now_s));
  ok_ = "HTTP/1.1 200 OK\r\n" + fields_;
}

Reply reply_with_file(const Request& request, const EntityFacts& entity, const Preamble& preamble,
                      bool keep_alive, HeadBuffer& out) {
  const Validators validators{entity.etag, entity.mtime_s};
  switch (evaluate_conditions(request, validators)) {
    case Verdict::not_modified:
      append_start(304, preamble, out);
      out.append(entity.fields);
      append_end(keep_alive, out);
      return {304, 0, 0};
    case Verdict::precondition_failed:
      reply_with_error(412, request.method == Method::head, preamble, keep_alive, out);
      return {412, 0, 0};
    case Verdict::proceed: break;
  }

  RangeResult range;
  // Section 14.2: Range is defined for GET only.
  if (!request.range.empty() && request.method == Method::get &&
      (request.if_range.empty() || if_range_holds(request.if_range, validators))) {
    range = parse_range(request.range, entity.size_bytes);
  }
  if (range.kind == RangeResult::whole) {
    out.append(preamble.ok());
    out.append(entity.fields);
    append_content_length(entity.size_bytes, out);
    append_end(keep_alive, out);
    return {200, 0, request.method == Method::get ? entity.size_bytes : 0};
  }
  if (range.kind == RangeResult::unsatisfiable) {
    const std::string text = error_text(416);
    append_start(416, preamble, out);
    append_content_range(range, entity.size_bytes, out);
    out.append("Content-Type: text/plain\r\n");
    append_content_length(text.size(), out);
    append_end(keep_alive, out);
    out.append(text);
    return {416, 0, 0};
  }
  append_start(206, preamble, out);
  out.append(entity.fields);
  append_content_range(range, entity.size_bytes, out);
  append_content_length(range.length, out);
  append_end(keep_alive, out);
  return {206, range.offset, range.length};
}

void reply_with_error(int status, bool head_only, const Preamble& preamble, bool keep_alive,
                      HeadBuffer& out) {
  const std::string text = error_text(status);
  append_start(status, preamble, out);
  if (status == 405) out.append("Allow: GET, HEAD\r\n");
  if (status == 503) out.append("Retry-After: 1\r\n");
  out.append("Content-Type: text/plain\r\n");
  append_content_length(text.size(), out);
  append_end(keep_alive, out);
  if (!head_only) out.append(text);
}

std::string reply_with_redirect(std::string_view location, bool head_only, const Preamble& preamble,
                                bool keep_alive) {
  const std::string text = error_text(301);
  return fmt::format(
      "HTTP/1.1 301 {}\r\n{}Location: {}\r\nContent-Type: text/plain\r\n"
      "Content-Length: {}\r\n{}\r\n{}",
      reason_phrase(301), preamble.fields(), location, text.size(),
      keep_alive ? kKeepAlive : kClose, head_only ? "" : text);
}

}  // namespace ringserve::http
