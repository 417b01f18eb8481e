// The table of pages, and the heads of replies. It relies on the Snapshot for every number. No
// reply may be stored or framed, and the page may load nothing but its own script and numbers.
#include "server/admin/responder.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "server/admin/metrics.h"
#include "server/admin/status.h"
#include "server/admin/status_files.h"

namespace ringserve::admin {
namespace {

// The page's style is in the page; its icon is a data: URL.
constexpr std::string_view kPageFields =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n";

// The path of an origin-form or absolute-form target (RFC 9112 section 3.2), without its query.
std::string_view path_of(std::string_view target) {
  if (!target.starts_with('/')) {
    const size_t authority = target.find("://");
    if (authority == std::string_view::npos) return {};
    const size_t path = target.find_first_of("/?", authority + 3);
    if (path == std::string_view::npos) return "/";
    target.remove_prefix(path);
    if (target.starts_with('?')) return "/";
  }
  return target.substr(0, target.find('?'));
}

}  // namespace

Responder::Responder(std::function<Snapshot()> take) : take_(std::move(take)) {}

const Snapshot& Responder::fresh(int64_t now_ms) {
  if (now_ms - taken_at_ms_ > kSnapshotAgeMax_ms) {
    snapshot_ = take_();
    taken_at_ms_ = now_ms;
  }
  return snapshot_;
}

void Responder::sample(int64_t now_ms) {
  if (now_ms < next_sample_ms_) return;
  history_.add(fresh(now_ms));
  // In step with the clock; what was missed, while the machine slept for instance, is left out.
  const bool in_step = sampled_ && now_ms < next_sample_ms_ + kSampleInterval_ms;
  next_sample_ms_ = (in_step ? next_sample_ms_ : now_ms) + kSampleInterval_ms;
  sampled_ = true;
}

Responder::Content Responder::content_of(std::string_view path, int64_t now_ms) {
  if (path == "/metrics") return {200, kMetricsContentType, metrics_text(fresh(now_ms))};
  if (path == "/healthz") {
    if (fresh(now_ms).draining) return {.status = 503, .body = "draining\n"};
    return {.body = "ok\n"};
  }
  if (path == "/status") {
    return {200, "text/html; charset=utf-8", status_page(fresh(now_ms), history_), kPageFields};
  }
  if (path == "/status.json") {
    return {200, "application/json", status_json(fresh(now_ms), history_)};
  }
  if (path == "/status.js")
    return {200, "text/javascript; charset=utf-8", std::string(kStatusScript)};
  if (path == "/")
    return {.status = 307, .body = "See /status\n", .fields = "Location: /status\r\n"};
  return {.status = 404, .body = "404 Not Found: see /status, /metrics, /healthz\n"};
}

std::string Responder::reply(const http::Request& request, bool keep_alive, int64_t now_ms) {
  const bool is_head = request.method == http::Method::head;
  if (!is_head && request.method != http::Method::get) {
    return assembled({.status = 405,
                      .body = "405 Method Not Allowed: only GET and HEAD\n",
                      .fields = "Allow: GET, HEAD\r\n"},
                     false, keep_alive);
  }
  return assembled(content_of(path_of(request.target), now_ms), is_head, keep_alive);
}

std::string Responder::refusal(const http::Request& request, int status) {
  return assembled(
      {.status = status, .body = fmt::format("{} {}\n", status, http::reason_phrase(status))},
      request.method == http::Method::head, false);
}

std::string Responder::assembled(const Content& content, bool head_only, bool keep_alive) {
  preamble_.set_time(std::time(nullptr));
  return fmt::format(
      "HTTP/1.1 {} {}\r\n{}Content-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "X-Content-Type-Options: nosniff\r\n{}Connection: {}\r\n\r\n{}",
      content.status, http::reason_phrase(content.status), preamble_.fields(), content.type,
      content.body.size(), content.fields, keep_alive ? "keep-alive" : "close",
      head_only ? std::string_view() : std::string_view(content.body));
}

}  // namespace ringserve::admin
