// Relies on the strict parser of the tests for heads.
#include "tests/long/responses.h"

#include <algorithm>
#include <stdexcept>

#include "tests/support/http_message.h"

namespace fuzz {
namespace {

constexpr size_t kHeadBytesMax = 32 * 1024;  // a Location is as long as the client made it
constexpr std::string_view kEndOfHead = "\r\n\r\n";

}  // namespace

void ResponseStream::feed(std::string_view bytes) {
  if (is_opaque_) return;
  buffer_ += bytes;
  for (;;) {
    if (status_ == 0 && !take_head()) return;
    const size_t taken = std::min<uint64_t>(left_bytes_, buffer_.size());
    const Expected* known = expected();
    if (known != nullptr && known->body_known) body_.append(buffer_, 0, taken);
    buffer_.erase(0, taken);
    left_bytes_ -= taken;
    if (left_bytes_ > 0) return;
    finish();
  }
}

bool ResponseStream::take_head() {
  if (buffer_.empty()) return false;
  if (closed_) throw std::runtime_error("bytes behind the last response");
  if (expected() == nullptr) {
    if (!script_.is_damaged) throw std::runtime_error("a response that nobody asked for");
    is_opaque_ = script_.may_be_head;
    if (is_opaque_) return false;
  }
  const size_t end = buffer_.find(kEndOfHead);
  if (end == std::string::npos) {
    if (buffer_.size() > kHeadBytesMax) throw std::runtime_error("a head without end");
    return false;
  }
  const support::Response head = support::parse_head(buffer_.substr(0, end + kEndOfHead.size()));
  buffer_.erase(0, end + kEndOfHead.size());
  status_ = head.status;
  const bool has_no_body = status_ < 200 || status_ == 204 || status_ == 304 ||
                           (expected() != nullptr && expected()->is_head);
  left_bytes_ = has_no_body ? 0 : head.content_length();
  closed_ = !head.keeps_alive();
  return true;
}

void ResponseStream::finish() {
  ++statuses_[status_];
  if (const Expected* known = expected()) {
    if (status_ != known->status) {
      throw std::runtime_error("status " + std::to_string(status_) + " for " +
                               std::to_string(known->status));
    }
    if (known->body_known && body_ != known->body) throw std::runtime_error("another body");
    if (known->closes != closed_) throw std::runtime_error("a wrong Connection field");
  }
  if (status_ >= 500 && status_ != 501 && status_ != 505) {
    throw std::runtime_error("status " + std::to_string(status_));
  }
  if (status_ >= 200) ++count_;
  status_ = 0;
  body_.clear();
}

void ResponseStream::end(bool whole) const {
  if (!whole || is_opaque_) return;
  if (status_ != 0 || !buffer_.empty()) throw std::runtime_error("a response that is cut short");
  if (count_ < script_.expected.size()) throw std::runtime_error("a request without an answer");
}

}  // namespace fuzz
