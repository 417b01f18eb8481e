// llhttp does the parsing, strictly. Where the body has a length it is told that there is none, so
// that it stops behind the head; the caller skips the body.
#include "client/load/engine/response_parser.h"

#include <strings.h>

#include <charconv>

namespace ringload {
namespace {

constexpr size_t kFieldBytesKept = 64;  // longer names and values are none of those looked for

void append_bounded(std::string& text, const char* at, size_t length) {
  if (text.size() < kFieldBytesKept) text.append(at, std::min(length, kFieldBytesKept));
}

}  // namespace

struct ResponseParser::Callbacks {
  static ResponseParser& self(llhttp_t* llhttp) {
    return *static_cast<ResponseParser*>(llhttp->data);
  }

  static int on_header_field(llhttp_t* llhttp, const char* at, size_t length) {
    append_bounded(self(llhttp).field_, at, length);
    return 0;
  }

  static int on_header_value(llhttp_t* llhttp, const char* at, size_t length) {
    append_bounded(self(llhttp).value_, at, length);
    return 0;
  }

  static int on_header_value_complete(llhttp_t* llhttp) {
    self(llhttp).take_field();
    return 0;
  }

  static int on_headers_complete(llhttp_t* llhttp) {
    ResponseParser& parser = self(llhttp);
    parser.in_body_ = true;
    if (llhttp->upgrade != 0 || llhttp->status_code == 101) {
      parser.error_ = "UPGRADE";
      return -1;
    }
    if (llhttp->status_code < 200) return 0;
    ResponseHead& head = parser.head_;
    head.status = llhttp->status_code;
    // RFC 9112 section 6.3: no body for HEAD, 204 and 304, whatever the fields say.
    const bool no_body = parser.head_request_ || head.status == 204 || head.status == 304;
    if (parser.head_request_) llhttp->flags |= F_SKIPBODY;
    head.keep_alive = llhttp_should_keep_alive(llhttp) != 0;
    const bool chunked = (llhttp->flags & F_CHUNKED) != 0;
    const bool has_content_length = (llhttp->flags & F_CONTENT_LENGTH) != 0;
    if (no_body) {
      head.has_length = true;
      head.content_length = 0;
    } else if (!chunked && has_content_length) {
      head.has_length = true;
      head.content_length = llhttp->content_length;
    }
    return head.has_length ? 1 : 0;  // 1: no body as far as llhttp is concerned
  }

  static int on_body(llhttp_t* llhttp, const char* at, size_t length) {
    ResponseParser& parser = self(llhttp);
    if (parser.body_ != nullptr) parser.body_->emplace_back(at, length);
    return 0;
  }

  static int on_message_complete(llhttp_t* llhttp) {
    ResponseParser& parser = self(llhttp);
    if (parser.head_.status == 0) {  // an informational response: the real one follows
      parser.in_body_ = false;
      parser.head_bytes_ = 0;
      return 0;
    }
    parser.complete_ = true;
    return HPE_PAUSED;
  }

  static const llhttp_settings_t* settings() {
    static const llhttp_settings_t kSettings = [] {
      llhttp_settings_t all;
      llhttp_settings_init(&all);
      all.on_header_field = on_header_field;
      all.on_header_value = on_header_value;
      all.on_header_value_complete = on_header_value_complete;
      all.on_headers_complete = on_headers_complete;
      all.on_body = on_body;
      all.on_message_complete = on_message_complete;
      return all;
    }();
    return &kSettings;
  }
};

void ResponseParser::reset() {
  llhttp_init(&llhttp_, HTTP_RESPONSE, Callbacks::settings());
  llhttp_.data = this;
  head_ = {};
  field_.clear();
  value_.clear();
  error_.clear();
  head_bytes_ = 0;
  begun_ = in_body_ = complete_ = false;
}

void ResponseParser::take_field() {
  const auto is = [this](const char* name) { return ::strcasecmp(field_.c_str(), name) == 0; };
  if (is("Content-Range") && ::strncasecmp(value_.c_str(), "bytes ", 6) == 0) {
    uint64_t first = 0;
    const char* end = value_.data() + value_.size();
    if (std::from_chars(value_.data() + 6, end, first).ec == std::errc()) head_.range_first = first;
  } else if (is("Content-Encoding")) {
    head_.encoded = ::strcasecmp(value_.c_str(), "identity") != 0;
  }
  field_.clear();
  value_.clear();
}

ResponseParser::State ResponseParser::feed(std::string_view& input, bool head_request,
                                           std::vector<std::string_view>* body) {
  begun_ = true;
  head_request_ = head_request;
  body_ = body;
  const size_t before = input.size();
  const llhttp_errno_t result = llhttp_execute(&llhttp_, input.data(), input.size());
  if (result == HPE_OK) {
    input = {};
  } else if (result == HPE_PAUSED) {
    input.remove_prefix(static_cast<size_t>(llhttp_get_error_pos(&llhttp_) - input.data()));
  } else {
    if (error_.empty()) error_ = llhttp_errno_name(result);
    return State::failed;
  }
  if (!in_body_) {
    head_bytes_ += before;
    if (head_bytes_ > kHeadBytesMax) {
      error_ = "HEAD_TOO_LARGE";
      return State::failed;
    }
  }
  if (!complete_) return State::need_more;
  return head_.has_length ? State::head_complete : State::message_complete;
}

bool ResponseParser::complete_at_end() {
  if (!begun_ || complete_) return complete_;
  llhttp_finish(&llhttp_);
  return complete_;
}

}  // namespace ringload
