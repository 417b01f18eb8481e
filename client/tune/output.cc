// stdio, checked: a report that a full disk cut off must not look like a whole one.
#include "client/tune/output.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

#include "client/tune/command.h"

namespace ringtune {

int print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return kExitDone;
  }
  return trouble(net::Error{"write to the standard output", errno, {}});
}

int trouble(const net::Error& error) {
  fmt::print(stderr, "ringtune: {}\n", error.message());
  return kExitTrouble;
}

}  // namespace ringtune
