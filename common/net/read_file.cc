// Reads until the end instead of asking for the size: files of /proc have none.
#include "common/net/read_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/net/owned_fd.h"

namespace net {

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return fail(fmt::format("open '{}'", path), errno);
  std::string text(bytes_max + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(fmt::format("read '{}'", path), errno);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > bytes_max) return fail(fmt::format("{}: longer than {} bytes", path, bytes_max), 0);
  text.resize(size);
  return text;
}

}  // namespace net
