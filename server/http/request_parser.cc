// llhttp in strict mode refuses bare CR and LF, NUL, spaces before the colon, duplicate
// Content-Length and Content-Length beside Transfer-Encoding. It does not refuse obs-fold, empty
// field names, HTTP/0.9 or HTTP/2.0 versions, and knows no limits: those are added here.
#include "server/http/request_parser.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "common/check.h"
#include "server/http/limits.h"

namespace ringserve::http {

void Request::clear() {
  method = Method::other;
  version_minor = 1;
  keep_alive = asks_to_close = expects_continue = false;
  target.clear();
}

void Request::clear_fields() {
  for (std::string* text :
       {&if_match, &if_none_match, &if_modified_since, &if_unmodified_since, &if_range, &range}) {
    text->clear();
  }
}

namespace {

// RFC 9110 section 5.6.2.
bool is_token_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
         (byte != 0 && std::strchr("!#$%&'*+-.^_`|~", byte) != nullptr);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// No character that cannot stand in uri-host [":" port].
bool is_host(std::string_view text) {
  static constexpr std::array<bool, 256> kForbidden = [] {
    std::array<bool, 256> table{};
    for (const unsigned char c : std::string_view(" \t/?#@\\")) table[c] = true;
    return table;
  }();
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return kForbidden[static_cast<unsigned char>(c)]; });
}

// llhttp leaves the white space behind a value (RFC 9112 section 5).
void trim_end(std::string& text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
}

}  // namespace

struct RequestParser::Callbacks {
  static RequestParser& self(llhttp_t* llhttp) {
    return *static_cast<RequestParser*>(llhttp->data);
  }

  static int on_url(llhttp_t* llhttp, const char* at, size_t length) {
    RequestParser& parser = self(llhttp);
    if (parser.request_.target.size() + length > kTargetBytesMax) return parser.refuse(414);
    parser.request_.target.append(at, length);
    return 0;
  }

  static int on_version_complete(llhttp_t* llhttp) {
    self(llhttp).version_seen_ = true;
    return 0;
  }

  static int on_header_field(llhttp_t* llhttp, const char* at, size_t length) {
    RequestParser& parser = self(llhttp);
    if (parser.in_body_) return 0;  // a trailer: discarded like the body it ends
    for (size_t i = 0; i < length && parser.name_bytes_ + i < sizeof parser.name_; ++i) {
      const char c = at[i];
      parser.name_[parser.name_bytes_ + i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    }
    parser.name_bytes_ += length;
    return 0;
  }

  static int on_header_field_complete(llhttp_t* llhttp) {
    RequestParser& parser = self(llhttp);
    if (parser.in_body_) return 0;
    if (parser.name_bytes_ == 0) return parser.refuse(400);
    parser.field_complete();
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
    const bool has_body = llhttp->content_length > 0 || (llhttp->flags & F_CHUNKED) != 0;
    return has_body ? HPE_PAUSED : 0;
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
      settings.on_version_complete = on_version_complete;
      settings.on_header_field = on_header_field;
      settings.on_header_field_complete = on_header_field_complete;
      settings.on_header_value = on_header_value;
      settings.on_headers_complete = on_headers_complete;
      settings.on_body = on_body;
      settings.on_message_complete = on_message_complete;
      return settings;
    }();
    return &kSettings;
  }
};

RequestParser::RequestParser() { reset(); }

void RequestParser::reset() {
  llhttp_init(&llhttp_, HTTP_REQUEST, Callbacks::settings());
  llhttp_.data = this;
  request_.clear();
  if (has_kept_fields_) {
    request_.clear_fields();
    transfer_encoding_.clear();
    expect_.clear();
  }
  host_.clear();
  has_transfer_encoding_ = has_kept_fields_ = false;
  state_ = State::incomplete;
  error_status_ = 0;
  head_bytes_ = body_bytes_ = name_bytes_ = 0;
  host_fields_ = 0;
  value_ = nullptr;
  in_body_ = version_seen_ = false;
  last_byte_ = '\0';
}

int RequestParser::refuse(int status) {
  state_ = State::failed;
  error_status_ = status;
  return HPE_USER;
}

// A field name is complete: decides whether its value is kept, and where.
void RequestParser::field_complete() {
  struct Kept {
    std::string_view name;
    std::string Request::*value;
  };
  static constexpr std::array<Kept, 6> kKept = {
      {{"range", &Request::range},
       {"if-range", &Request::if_range},
       {"if-match", &Request::if_match},
       {"if-none-match", &Request::if_none_match},
       {"if-modified-since", &Request::if_modified_since},
       {"if-unmodified-since", &Request::if_unmodified_since}}};
  value_ = nullptr;
  if (name_bytes_ > sizeof name_) return;
  const std::string_view name(name_, name_bytes_);
  if (name == "host") {
    value_ = &host_;
    ++host_fields_;
  } else if (name == "expect") {
    value_ = &expect_;
  } else if (name == "transfer-encoding") {
    value_ = &transfer_encoding_;
    has_transfer_encoding_ = true;
  } else if (name[0] == 'i' || name[0] == 'r') {
    for (const Kept& kept : kKept) {
      if (name == kept.name) value_ = &(request_.*kept.value);
    }
  }
  has_kept_fields_ |= value_ != nullptr && value_ != &host_;
  // Lists may come in several lines: RFC 9110 section 5.3.
  if (value_ != nullptr && !value_->empty()) value_->append(", ");
}

void RequestParser::head_complete() {
  request_.method = llhttp_.method == HTTP_GET    ? Method::get
                    : llhttp_.method == HTTP_HEAD ? Method::head
                                                  : Method::other;
  request_.version_minor = llhttp_.http_minor;
  request_.keep_alive = llhttp_should_keep_alive(&llhttp_) != 0;
  request_.asks_to_close = (llhttp_.flags & F_CONNECTION_CLOSE) != 0;
  trim_end(host_);
  if (has_kept_fields_) {
    for (std::string* text : {&transfer_encoding_, &expect_, &request_.if_match,
                              &request_.if_none_match, &request_.if_modified_since,
                              &request_.if_unmodified_since, &request_.if_range, &request_.range}) {
      trim_end(*text);
    }
  }
  request_.expects_continue = equals_ignoring_case(expect_, "100-continue");
  in_body_ = true;
  if (!version_seen_) {
    refuse(400);  // HTTP/0.9: "GET /" without a version
  } else if (llhttp_.http_major != 1) {
    refuse(505);
  } else if (host_fields_ > 1 || (host_fields_ == 0 && request_.version_minor >= 1)) {
    refuse(400);  // RFC 9112 section 3.2
  } else if (!is_host(host_)) {
    refuse(400);
  } else if (has_transfer_encoding_ &&
             (request_.version_minor == 0 || (llhttp_.flags & F_CONTENT_LENGTH) != 0)) {
    refuse(400);  // section 6.1: one framing too many, or one that HTTP/1.0 does not have
  } else if (has_transfer_encoding_ && !equals_ignoring_case(transfer_encoding_, "chunked")) {
    // RFC 9112 section 6.1: 501 for a coding we do not know; 6.3: 400 where its end is unknown.
    refuse((llhttp_.flags & F_CHUNKED) != 0 ? 501 : 400);
  } else if (llhttp_.content_length > kBodyBytesMax) {
    refuse(413);
  }
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

size_t RequestParser::feed(std::span<const char> bytes) {
  CHECK(state_ == State::incomplete);
  const char* begin = bytes.data();
  const char* end = begin + bytes.size();
  const char* at = begin;
  if (!in_body_) {
    // Empty lines before a request are nothing yet (RFC 9112 section 2.2).
    while (head_bytes_ == 0 && at < end && (*at == '\r' || *at == '\n')) ++at;
    if (at == end) return bytes.size();
    const char* head_begin = at;
    const llhttp_errno_t result = llhttp_execute(&llhttp_, at, static_cast<size_t>(end - at));
    at = result == HPE_OK ? end : llhttp_get_error_pos(&llhttp_);
    if (result != HPE_OK && result != HPE_PAUSED) {
      if (state_ != State::failed) refuse(status_of_parse_error(bytes));
      return static_cast<size_t>(at - begin);
    }
    const std::span<const char> head(head_begin, at);
    head_bytes_ += head.size();
    if (has_bad_line_end(head)) refuse(400);
    if (head_bytes_ > kHeadBytesMax) refuse(431);
    if (state_ != State::incomplete || result == HPE_OK) return static_cast<size_t>(at - begin);
    llhttp_resume(&llhttp_);
    if (at == end) return static_cast<size_t>(at - begin);
  }
  const llhttp_errno_t result = llhttp_execute(&llhttp_, at, static_cast<size_t>(end - at));
  at = result == HPE_OK ? end : llhttp_get_error_pos(&llhttp_);
  if (result != HPE_OK && result != HPE_PAUSED && state_ != State::failed) {
    refuse(status_of_parse_error(bytes));
  }
  return static_cast<size_t>(at - begin);
}

}  // namespace ringserve::http
