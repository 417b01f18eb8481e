// For experiments, labs and what only they use, where every step has to work: what does not is an
// exception that says the call and the errno, instead of a result that each line would look at.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "common/net/result.h"

namespace net {

[[noreturn]] inline void throw_errno(const std::string& what, int errno_value) {
  throw std::system_error(errno_value, std::generic_category(), what);
}

// After a system call; errno is its.
inline void require(bool is_done, const std::string& what) {
  if (!is_done) throw_errno(what, errno);
}

template <typename T>
T require(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

inline void require(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message());
}

}  // namespace net
