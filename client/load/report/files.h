// Whole files and plain descriptors: what reports need of them, with errors that name the file.
#pragma once

#include <string>
#include <string_view>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringload {

// Creates or empties `path` (mode 0666 less umask).
net::Result<net::OwnedFd> create_file(const std::string& path);
// Whether create_file() would succeed; leaves no file behind, and the content of one as it is.
net::Status check_writable(const std::string& path);
// All of `text`, over partial writes and EINTR; `name` is for the error message.
net::Status write_all(int fd, std::string_view text, const std::string& name);
net::Status write_file(const std::string& path, std::string_view text);

// From its present offset to its end.
net::Result<std::string> read_all(int fd, const std::string& name);
net::Result<std::string> read_file(const std::string& path);

}  // namespace ringload
