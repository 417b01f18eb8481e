// The one result type of the project: a value, or an Error that says what failed, on what, which
// errno, and what to do about it. Used everywhere but in constructors of start-up code.
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace net {

struct Error {
  std::string what;     // the call and its object: "bind 127.0.0.1:80"
  int errno_value = 0;  // 0: no system call failed
  std::string advice;   // what the reader can do; may be empty

  // "bind 127.0.0.1:80: EACCES (Permission denied) - ports below 1024 need ..."
  std::string message() const;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

inline tl::unexpected<Error> fail(std::string what, int errno_value, std::string advice = {}) {
  return tl::unexpected<Error>(Error{std::move(what), errno_value, std::move(advice)});
}

// "EADDRINUSE", or "errno 4711" for one that has no name.
std::string errno_name(int errno_value);

}  // namespace net
