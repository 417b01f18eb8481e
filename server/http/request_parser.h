// Turns bytes into requests with llhttp, in any chunking, and adds what llhttp leaves open:
// limits, obs-fold, Host, and the status that answers each mistake. Pure: no socket, no file.
#pragma once

#include <llhttp/llhttp.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "server/http/request.h"

namespace ringserve::http {

class RequestParser {
 public:
  enum class State { incomplete, complete, failed };

  RequestParser();
  RequestParser(const RequestParser&) = delete;  // llhttp holds a pointer to this object
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes bytes up to the end of one request (head and body) and returns how many it took. Call
  // again with the rest after reset(). After `failed` the connection cannot be parsed further.
  size_t feed(std::span<const char> bytes);

  State state() const { return state_; }
  bool untouched() const { return head_bytes_ + empty_line_bytes_ == 0; }
  bool started() const { return head_bytes_ > 0; }    // a request has begun to arrive
  bool in_body() const { return in_body_; }           // the head is complete, the body is not
  bool has_body() const { return has_body_; }         // the head is complete, and announces one
  int error_status() const { return error_status_; }  // the answer where state() is failed
  const Request& request() const { return request_; }

  // Ready for the next request on the connection.
  void reset();

  // Whether Referer and User-Agent are kept, which only a log needs. For all requests from now on.
  void keep_log_fields(bool keep) { keeps_log_fields_ = keep; }

 private:
  struct Callbacks;

  void begin();
  int refuse(int status);
  void method_complete();
  std::string* place_of_value();
  bool is_host(const std::string& host);
  int status_of_head();
  int status_of_parse_error(std::span<const char> chunk) const;
  bool has_bad_line_end(std::span<const char> head);
  void head_complete();
  void field_complete();
  const char* skip_empty_lines(const char* at, const char* end);
  const char* feed_head(const char* at, const char* end);
  const char* feed_body(const char* at, const char* end);
  void check_protocol(const char* version);
  void keep_tail(const char* end);

  llhttp_t llhttp_;
  Request request_;
  State state_ = State::incomplete;
  int error_status_ = 0;
  size_t head_bytes_ = 0;
  size_t body_bytes_ = 0;
  size_t framing_bytes_ = 0;  // of a chunked body, all but its data
  size_t empty_line_bytes_ = 0;
  size_t name_bytes_ = 0;
  unsigned host_fields_ = 0;
  std::string* value_ = nullptr;  // where the present field's value goes; null: not kept
  char name_[24];                 // longer names are none of ours
  std::string transfer_encoding_, expect_;
  std::array<std::string*, 16>
      kept_;  // the fields that came: there is something to trim and to clear
  size_t kept_count_ = 0;
  bool has_transfer_encoding_ = false;
  bool in_body_ = false;
  bool has_body_ = false;
  bool in_trailer_ = false;  // behind the last chunk's size
  bool keeps_log_fields_ = false;
  bool version_seen_ = false;
  char last_byte_ = '\0';
  bool protocol_seen_ = false;
  const char* chunk_ = nullptr;  // the head's bytes that are being fed
  std::string last_host_;        // that was found to be one
  std::string tail_;             // the last of those before them, until the protocol is seen
};

}  // namespace ringserve::http
