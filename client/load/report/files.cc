// open(2), read(2) and write(2), until everything is done.
#include "client/load/report/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace ringload {

net::Result<net::OwnedFd> create_file(const std::string& path) {
  net::OwnedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (fd.valid()) return fd;
  return net::fail("create " + path, errno, "name a file in a directory you may write to");
}

net::Status check_writable(const std::string& path) {
  const bool existed = ::access(path.c_str(), F_OK) == 0;
  const net::OwnedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  if (!fd.valid()) {
    return net::fail("create " + path, errno, "name a file in a directory you may write to");
  }
  if (!existed) ::unlink(path.c_str());
  return {};
}

net::Status write_all(int fd, std::string_view text, const std::string& name) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return net::fail("write " + name, errno);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

net::Status write_file(const std::string& path, std::string_view text) {
  const auto fd = create_file(path);
  if (!fd) return tl::unexpected(fd.error());
  return write_all(fd->get(), text, path);
}

net::Result<std::string> read_all(int fd, const std::string& name) {
  std::string text;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::fail("read " + name, errno);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
}

net::Result<std::string> read_file(const std::string& path) {
  const net::OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return net::fail("open " + path, errno);
  return read_all(fd.get(), path);
}

}  // namespace ringload
