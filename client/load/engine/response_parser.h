// Responses, from bytes: where the head ends, how the body is framed, whether the connection goes
// on. A body with Content-Length is left to the caller, so that it need not be looked at, nor even
// copied out of the kernel; other framings are decoded here. Touches no socket.
#pragma once

#include <llhttp/llhttp.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringload {

constexpr size_t kHeadBytesMax = 64 << 10;  // as much as any server is known to send

struct ResponseHead {
  unsigned status = 0;
  bool keep_alive = false;
  bool has_length = false;              // framed by Content-Length, or without a body at all
  uint64_t content_length = 0;          // if has_length: bytes that follow the head
  std::optional<uint64_t> range_first;  // Content-Range: bytes N-...
  bool encoded = false;                 // Content-Encoding is there, and not identity
};

class ResponseParser {
 public:
  enum class State {
    need_more,         // all bytes are used up, the response goes on
    head_complete,     // has_length; content_length bytes follow those that were used
    message_complete,  // decoded here to its end
    failed,            // error() says how
  };

  ResponseParser() { reset(); }
  // llhttp keeps a pointer to its owner.
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // Before each response. `head_request`: the answer to HEAD, which has no body.
  void reset();
  bool idle() const { return !begun_; }

  // Takes bytes from the front of `input`, and appends the decoded parts of the body to `body`;
  // they point into `input`. Informational responses (1xx) are skipped.
  State feed(std::string_view& input, bool head_request, std::vector<std::string_view>* body);
  // The server closed: does that end the response?
  bool complete_at_end();

  const ResponseHead& head() const { return head_; }
  const std::string& error() const { return error_; }  // llhttp's name, or HEAD_TOO_LARGE

 private:
  struct Callbacks;
  void take_field();

  llhttp_t llhttp_{};
  ResponseHead head_;
  std::string field_;
  std::string value_;
  std::string error_;
  std::vector<std::string_view>* body_ = nullptr;
  size_t head_bytes_ = 0;
  bool begun_ = false;
  bool head_request_ = false;
  bool in_body_ = false;
  bool complete_ = false;
};

}  // namespace ringload
