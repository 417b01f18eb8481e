// A small file, whole: configuration and the like, read while starting or by a thread that may
// wait. Never for what is served.
#pragma once

#include <cstddef>
#include <string>

#include "common/net/result.h"

namespace net {

// Errors: errno of open(2) or read(2), or that the file is longer than `bytes_max`.
Result<std::string> read_file(const std::string& path, size_t bytes_max);

}  // namespace net
