// Errors as people read them: name, description and advice.
#include "common/net/result.h"

#include <fmt/format.h>

#include <cstring>

namespace net {

std::string errno_name(int errno_value) {
  const char* name = ::strerrorname_np(errno_value);
  return name != nullptr ? name : fmt::format("errno {}", errno_value);
}

std::string Error::message() const {
  std::string text = what;
  if (errno_value != 0) {
    text += fmt::format(": {} ({})", errno_name(errno_value), ::strerrordesc_np(errno_value));
  }
  if (!advice.empty()) text += " - " + advice;
  return text;
}

}  // namespace net
