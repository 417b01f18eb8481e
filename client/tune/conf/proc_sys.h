// Reads and writes parameters by their path below /proc/sys, and nothing that is not below it: the
// kernel itself refuses to leave that directory (openat2(2), RESOLVE_BENEATH).
#pragma once

#include <string>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringtune {

class ProcSys {
 public:
  // Fails where /proc/sys is not there, or not the kernel's.
  static net::Result<ProcSys> open();

  // Of the network namespace of the calling thread, where each has its own. Without the newline.
  net::Result<std::string> read(const std::string& path) const;
  net::Status write(const std::string& path, const std::string& value) const;

 private:
  explicit ProcSys(net::OwnedFd root) : root_(std::move(root)) {}
  net::Result<net::OwnedFd> open_parameter(const std::string& path, int flags) const;

  net::OwnedFd root_;
};

}  // namespace ringtune
