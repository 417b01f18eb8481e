// Which fields of a request are kept, and where: those that request.h has, and what framing needs.
#include <algorithm>
#include <string_view>

#include "server/http/request_parser.h"

namespace ringserve::http {
namespace {

// Tells the names of the fields that are kept apart, whatever their case, without comparing any: no
// two have the same length, first and fourth letter. None is shorter than four.
constexpr uint32_t kind_of(const char* name, size_t length) {
  return static_cast<uint32_t>(length) << 16 | static_cast<uint32_t>(name[0] | 0x20) << 8 |
         static_cast<uint32_t>(name[3] | 0x20);
}
constexpr uint32_t kind_of(std::string_view name) { return kind_of(name.data(), name.size()); }

}  // namespace

// Where the value of the field whose name is complete is kept; null for a field of no interest.
std::string* RequestParser::place_of_value() {
  if (name_bytes_ < 4 || name_bytes_ > sizeof name_) return nullptr;
  Request& r = request_;
  std::string_view name;  // what it must be, in lower case
  std::string* value = nullptr;
  const auto may_be = [&](std::string_view its_name, std::string& its_value) {
    name = its_name;
    value = &its_value;
  };
  switch (kind_of(name_, name_bytes_)) {
    case kind_of("host"): may_be("host", r.host); break;
    case kind_of("range"): may_be("range", r.range); break;
    case kind_of("accept"): may_be("accept", r.accept); break;
    case kind_of("expect"): may_be("expect", expect_); break;
    case kind_of("origin"): may_be("origin", r.origin); break;
    case kind_of("referer"): may_be("referer", r.referer); break;
    case kind_of("if-range"): may_be("if-range", r.if_range); break;
    case kind_of("if-match"): may_be("if-match", r.if_match); break;
    case kind_of("user-agent"): may_be("user-agent", r.user_agent); break;
    case kind_of("if-none-match"): may_be("if-none-match", r.if_none_match); break;
    case kind_of("accept-encoding"): may_be("accept-encoding", r.accept_encoding); break;
    case kind_of("if-modified-since"): may_be("if-modified-since", r.if_modified_since); break;
    case kind_of("transfer-encoding"): may_be("transfer-encoding", transfer_encoding_); break;
    case kind_of("if-unmodified-since"):
      may_be("if-unmodified-since", r.if_unmodified_since);
      break;
    default: return nullptr;
  }
  if (!keeps_log_fields_ && (value == &r.referer || value == &r.user_agent)) return nullptr;
  // A token's character with this bit set is a lower-case letter or '-' only where it is one.
  for (size_t i = 0; i < name.size(); ++i) {
    if ((name_[i] | 0x20) != name[i]) return nullptr;
  }
  return value;
}

// A field name is complete: decides whether its value is kept, and where.
void RequestParser::field_complete() {
  value_ = place_of_value();
  if (value_ == nullptr) return;
  host_fields_ += value_ == &request_.host;
  has_transfer_encoding_ |= value_ == &transfer_encoding_;
  // Lists may come in several lines: RFC 9110 section 5.3.
  if (!value_->empty()) value_->append(", ");
  const auto end = kept_.begin() + kept_count_;
  if (kept_count_ == 0 || std::find(kept_.begin(), end, value_) == end) {
    kept_[kept_count_++] = value_;
  }
}

}  // namespace ringserve::http
