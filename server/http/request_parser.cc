// llhttp in strict mode refuses bare CR and LF, NUL, spaces before the colon, duplicate
// Content-Length and Content-Length beside Transfer-Encoding. It does not refuse obs-fold, empty
// field names, HTTP/0.9 or HTTP/2.0 versions, RTSP and ICE in the place of HTTP, more than one
// space in the request line, bare line ends in trailers, and knows no limits: those are added here.
#include "server/http/request_parser.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "common/check.h"
#include "server/http/host.h"
#include "server/http/limits.h"
#include "server/http/text.h"

namespace ringserve::http {

void Request::clear_line() {
  method = Method::other;
  method_name = {};
  version_minor = 1;
  keep_alive = asks_to_close = expects_continue = false;
  target.clear();
}

namespace {

constexpr std::string_view kProtocol = "HTTP/";

// llhttp leaves the white space behind a value (RFC 9112 section 5).
void trim_end(std::string& text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
}

// RFC 9110 section 10.1.1: a list, and 100-continue is the only expectation there is.
bool is_100_continue(std::string_view expectations) {
  std::string_view expectation;
  while (next_element(expectations, expectation)) {
    if (!equals_ignoring_case(expectation, "100-continue")) return false;
  }
  return true;
}

}  // namespace

struct RequestParser::Callbacks {
  static RequestParser& self(llhttp_t* llhttp) {
    return *static_cast<RequestParser*>(llhttp->data);
  }

  static int on_url(llhttp_t* llhttp, const char* at, size_t length) {
    RequestParser& parser = self(llhttp);
    parser.request_.target.append(at, length);
    if (parser.request_.target.size() > kTargetBytesMax) return parser.refuse(414);
    return 0;
  }

  static int on_version(llhttp_t* llhttp, const char* at, size_t) {
    RequestParser& parser = self(llhttp);
    if (!parser.protocol_seen_) parser.check_protocol(at);
    return parser.state_ == State::failed ? HPE_USER : 0;
  }

  static int on_version_complete(llhttp_t* llhttp) {
    self(llhttp).version_seen_ = true;
    return 0;
  }

  static int on_header_field(llhttp_t* llhttp, const char* at, size_t length) {
    RequestParser& parser = self(llhttp);
    // A trailer's is discarded like the body it ends, but for its length.
    if (!parser.in_body_ && parser.name_bytes_ + length <= sizeof parser.name_) {
      std::memcpy(parser.name_ + parser.name_bytes_, at, length);
    }
    parser.name_bytes_ += length;
    return 0;
  }

  static int on_header_field_complete(llhttp_t* llhttp) {
    RequestParser& parser = self(llhttp);
    if (parser.name_bytes_ == 0) return parser.refuse(400);
    if (!parser.in_body_) parser.field_complete();
    parser.name_bytes_ = 0;
    return 0;
  }

  static int on_header_value(llhttp_t* llhttp, const char* at, size_t length) {
    RequestParser& parser = self(llhttp);
    if (parser.in_body_ || parser.value_ == nullptr) return 0;
    parser.value_->append(at, length);
    return 0;
  }

  static int on_headers_complete(llhttp_t* llhttp) {
    RequestParser& parser = self(llhttp);
    llhttp->upgrade = 0;  // no other protocol is spoken here: an Upgrade field is ignored
    parser.head_complete();
    if (parser.state_ == State::failed) return HPE_USER;
    // Pausing before a body tells feed() where the head ends; without one, both end together.
    parser.has_body_ = llhttp->content_length > 0 || (llhttp->flags & F_CHUNKED) != 0;
    return parser.has_body_ ? HPE_PAUSED : 0;
  }

  // The size of a chunk is known. Behind that of the last one, feed_body() looks closer.
  static int on_chunk_header(llhttp_t* llhttp) {
    RequestParser& parser = self(llhttp);
    const uint64_t room_bytes = kBodyBytesMax - parser.body_bytes_;
    if (llhttp->content_length > room_bytes) return parser.refuse(413);
    parser.in_trailer_ = llhttp->content_length == 0;
    return parser.in_trailer_ ? HPE_PAUSED : 0;
  }

  static int on_body(llhttp_t* llhttp, const char*, size_t length) {
    RequestParser& parser = self(llhttp);
    parser.body_bytes_ += length;
    return parser.body_bytes_ > kBodyBytesMax ? parser.refuse(413) : 0;
  }

  static int on_message_complete(llhttp_t* llhttp) {
    self(llhttp).state_ = State::complete;
    return HPE_PAUSED;
  }

  static const llhttp_settings_t* settings() {
    static const llhttp_settings_t kSettings = [] {
      llhttp_settings_t settings;
      llhttp_settings_init(&settings);
      settings.on_url = on_url;
      settings.on_version = on_version;
      settings.on_version_complete = on_version_complete;
      settings.on_header_field = on_header_field;
      settings.on_header_field_complete = on_header_field_complete;
      settings.on_header_value = on_header_value;
      settings.on_headers_complete = on_headers_complete;
      settings.on_chunk_header = on_chunk_header;
      settings.on_body = on_body;
      settings.on_message_complete = on_message_complete;
      return settings;
    }();
    return &kSettings;
  }
};

RequestParser::RequestParser() { begin(); }

void RequestParser::reset() {
  if (!untouched() || state_ != State::incomplete) begin();
}

void RequestParser::begin() {
  llhttp_init(&llhttp_, HTTP_REQUEST, Callbacks::settings());
  llhttp_.data = this;
  request_.clear_line();
  for (size_t i = 0; i < kept_count_; ++i) kept_[i]->clear();
  kept_count_ = 0;
  has_transfer_encoding_ = false;
  state_ = State::incomplete;
  error_status_ = 0;
  head_bytes_ = body_bytes_ = framing_bytes_ = empty_line_bytes_ = name_bytes_ = 0;
  host_fields_ = 0;
  value_ = nullptr;
  in_body_ = has_body_ = in_trailer_ = version_seen_ = false;
  last_byte_ = '\0';
  protocol_seen_ = false;
  tail_.clear();
}

int RequestParser::refuse(int status) {
  state_ = State::failed;
  error_status_ = status;
  // The method was whole before the target began: a head that is refused is answered as it asks.
  if (!request_.target.empty()) method_complete();
  return HPE_USER;
}

void RequestParser::method_complete() {
  const auto is = [this](Method method, std::string_view name) {
    request_.method = method;
    request_.method_name = name;
  };
  switch (llhttp_.method) {
    case HTTP_GET: return is(Method::get, "GET");
    case HTTP_HEAD: return is(Method::head, "HEAD");
    case HTTP_OPTIONS: return is(Method::options, "OPTIONS");
    default: is(Method::other, llhttp_method_name(static_cast<llhttp_method_t>(llhttp_.method)));
  }
}

void RequestParser::head_complete() {
  request_.version_minor = llhttp_.http_minor;
  request_.keep_alive = llhttp_should_keep_alive(&llhttp_) != 0;
  request_.asks_to_close = (llhttp_.flags & F_CONNECTION_CLOSE) != 0;
  for (size_t i = 0; i < kept_count_; ++i) trim_end(*kept_[i]);
  // RFC 9110 section 10.1.1: an HTTP/1.0 client cannot wait for 100.
  request_.expects_continue = !expect_.empty() && request_.version_minor >= 1;
  in_body_ = true;
  if (const int status = status_of_head(); status != 0) refuse(status);
}

// Clients name the same host again and again.
bool RequestParser::is_host(const std::string& host) {
  if (host == last_host_) return true;
  if (!is_authority(host)) return false;
  last_host_ = host;
  return true;
}

// 0, or what answers a head whose fields do not go together.
int RequestParser::status_of_head() {
  if (!version_seen_) return 400;  // HTTP/0.9: "GET /" without a version
  if (llhttp_.http_major != 1) return 505;
  // RFC 9112 section 3.2.
  if (host_fields_ > 1 || (host_fields_ == 0 && request_.version_minor >= 1)) return 400;
  if (!is_host(request_.host)) return 400;
  if (has_transfer_encoding_) {
    // Section 6.1: one framing too many, or one that HTTP/1.0 does not have.
    if (request_.version_minor == 0 || (llhttp_.flags & F_CONTENT_LENGTH) != 0) return 400;
    // Section 6.1: 501 for a coding we do not know; 6.3: 400 where its end is unknown.
    if (!equals_ignoring_case(transfer_encoding_, "chunked")) {
      return (llhttp_.flags & F_CHUNKED) != 0 ? 501 : 400;
    }
  }
  if (llhttp_.content_length > kBodyBytesMax) return 413;
  if (request_.expects_continue && !is_100_continue(expect_)) return 417;
  return 0;
}

// Two ways to show two parsers two different heads: obs-fold, a line that begins with white space
// and continues the one before (RFC 9112 section 5.2), and a line that ends in a bare LF, which
// llhttp still takes in some places (section 2.2).
bool RequestParser::has_bad_line_end(std::span<const char> head) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  if (head.empty()) return false;
  if (last_byte_ == '\n' && is_blank(head.front())) return true;
  const char* begin = head.data();
  const char* end = begin + head.size();
  const char* at = begin;
  while ((at = static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at))))) {
    if ((at == begin ? last_byte_ : at[-1]) != '\r') return true;
    if (++at == end) break;
    if (is_blank(*at)) return true;
  }
  last_byte_ = head.back();
  return false;
}

int RequestParser::status_of_parse_error(std::span<const char> chunk) const {
  switch (llhttp_get_errno(&llhttp_)) {
    case HPE_INVALID_VERSION: return version_seen_ ? 400 : 505;
    case HPE_INVALID_METHOD: {
      // A well-formed name of a method that nobody here knows; else it is not HTTP at all. What
      // came in earlier chunks was the beginning of a known method.
      size_t length = 0;
      while (length < chunk.size() && is_token_char(chunk[length])) ++length;
      const bool ends_well = length == chunk.size() || chunk[length] == ' ';
      return (length > 0 || head_bytes_ > 0) && ends_well ? 501 : 400;
    }
    default: return 400;
  }
}

// "HTTP/" stands before the version, and single spaces between the parts of the line (RFC 9112
// section 3). llhttp takes "RTSP/" and "ICE/" as well, and any number of spaces.
void RequestParser::check_protocol(const char* version) {
  protocol_seen_ = true;
  method_complete();
  const std::string_view method = request_.method_name;
  const auto chunk_bytes = static_cast<size_t>(version - chunk_);
  const size_t line_bytes = head_bytes_ + chunk_bytes;
  const size_t expected_bytes = method.size() + 1 + request_.target.size() + 1 + kProtocol.size();
  std::string_view protocol(chunk_, chunk_bytes);
  if (chunk_bytes < kProtocol.size()) {  // it came in pieces
    keep_tail(version);
    protocol = tail_;
  }
  if (!protocol.ends_with(kProtocol) || line_bytes != expected_bytes) refuse(400);
}

// Of all bytes of the request so far, `end` being the end of those in chunk_.
void RequestParser::keep_tail(const char* end) {
  const std::string_view chunk(chunk_, end);
  tail_.append(chunk.substr(chunk.size() - std::min(chunk.size(), kProtocol.size())));
  if (tail_.size() > kProtocol.size()) tail_.erase(0, tail_.size() - kProtocol.size());
}

// Empty lines before a request are nothing yet (RFC 9112 section 2.2), if they are few and whole.
const char* RequestParser::skip_empty_lines(const char* at, const char* end) {
  for (; at < end && (*at == '\r' || *at == '\n' || last_byte_ == '\r'); ++at) {
    const bool is_bare = last_byte_ == '\r' && *at != '\n';
    if (is_bare || ++empty_line_bytes_ > kEmptyLineBytesMax) {
      refuse(400);
      break;
    }
    last_byte_ = *at;
  }
  return at;
}

const char* RequestParser::feed_head(const char* at, const char* end) {
  const char* begin = at;
  chunk_ = begin;
  const llhttp_errno_t result = llhttp_execute(&llhttp_, begin, static_cast<size_t>(end - begin));
  at = result == HPE_OK ? end : llhttp_get_error_pos(&llhttp_);
  if (result != HPE_OK && result != HPE_PAUSED) {
    if (state_ != State::failed) refuse(status_of_parse_error({begin, end}));
    return at;
  }
  if (!protocol_seen_) keep_tail(at);
  const std::span<const char> head(begin, at);
  head_bytes_ += head.size();
  if (has_bad_line_end(head)) refuse(400);
  if (head_bytes_ > kHeadBytesMax) refuse(431);
  if (state_ == State::failed) has_body_ = false;  // the same however the head was cut
  if (result == HPE_PAUSED && state_ == State::incomplete) llhttp_resume(&llhttp_);
  return at;
}

// Up to the end of the body, or to the beginning of its trailers.
const char* RequestParser::feed_body(const char* at, const char* end) {
  const char* begin = at;
  const bool is_trailer = in_trailer_;
  const size_t body_bytes_before = body_bytes_;
  const llhttp_errno_t result = llhttp_execute(&llhttp_, begin, static_cast<size_t>(end - begin));
  at = result == HPE_OK ? end : llhttp_get_error_pos(&llhttp_);
  if (result != HPE_OK && result != HPE_PAUSED) {
    if (state_ != State::failed) refuse(status_of_parse_error({begin, end}));
    return at;
  }
  framing_bytes_ += static_cast<size_t>(at - begin) - (body_bytes_ - body_bytes_before);
  if (framing_bytes_ > kFramingBytesMax) refuse(413);
  if (is_trailer && has_bad_line_end({begin, at})) refuse(400);
  if (result == HPE_PAUSED && state_ == State::incomplete) {
    llhttp_resume(&llhttp_);
    last_byte_ = '\n';  // of the last chunk's size; what follows are lines like those of a head
  }
  return at;
}

size_t RequestParser::feed(std::span<const char> bytes) {
  CHECK(state_ == State::incomplete);
  const char* begin = bytes.data();
  const char* end = begin + bytes.size();
  const char* at = begin;
  if (!started()) at = skip_empty_lines(at, end);
  while (at < end && state_ == State::incomplete) {
    at = in_body_ ? feed_body(at, end) : feed_head(at, end);
  }
  return static_cast<size_t>(at - begin);
}

}  // namespace ringserve::http
