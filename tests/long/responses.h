// The bytes that a server sends, as responses, judged while they come: the status line, the fields,
// the length of the body, and what is known of the answer beforehand.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tests/long/requests.h"

namespace fuzz {

class ResponseStream {
 public:
  // `script` outlives it.
  explicit ResponseStream(const Script& script) : script_(script) {}

  // Throws std::runtime_error, with what is wrong.
  void feed(std::string_view bytes);
  // The server has ended the connection; `whole`: nothing was to be missing.
  void end(bool whole) const;

  const std::map<int, uint64_t>& statuses() const { return statuses_; }

 private:
  bool take_head();
  void finish();
  const Expected* expected() const {
    return count_ < script_.expected.size() ? &script_.expected[count_] : nullptr;
  }

  const Script& script_;
  std::string buffer_;
  std::string body_;  // of the response being received, where it is known
  int status_ = 0;    // of the response being received; 0: its head is not complete
  uint64_t left_bytes_ = 0;
  size_t count_ = 0;
  bool closed_ = false;     // the last response said so
  bool is_opaque_ = false;  // whether answers have bodies is not known: no more is judged
  std::map<int, uint64_t> statuses_;
};

}  // namespace fuzz
