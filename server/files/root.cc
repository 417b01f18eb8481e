// String tricks are no sandbox: RESOLVE_BENEATH (openat2(2)) is.
#include "server/files/root.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

namespace ringserve::files {
namespace {

// Empty, with errno, where the path leads nowhere.
std::string real_path_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real == nullptr ? std::string() : std::string(real.get());
}

int open_beneath(int root_fd, const std::string& name, const open_how& how) {
  const long fd = ::syscall(SYS_openat2, root_fd, name.c_str(), &how, sizeof how);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

}  // namespace

net::Result<Root> Root::open(const std::string& path, FollowSymlinks follow) {
  net::OwnedFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    const char* advice = error == ENOENT    ? "this directory does not exist"
                         : error == ENOTDIR ? "ROOT must be a directory"
                         : error == EACCES  ? "this user may not read it"
                                            : "";
    return net::fail("open the root directory " + path, error, advice);
  }
  std::string real_path = real_path_of(path);
  if (!real_path.empty() && real_path != "/") real_path += '/';
  return Root(std::move(fd), std::move(real_path), follow);
}

uint64_t Root::resolve_flags() const {
  switch (follow_) {
    case FollowSymlinks::never: return RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    case FollowSymlinks::always: return RESOLVE_NO_MAGICLINKS;
    case FollowSymlinks::within: break;
  }
  return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
}

int Root::open_without_disk(const std::string& name, open_how how) const {
  how.resolve |= RESOLVE_CACHED;
  return open_beneath(fd(), name, how);
}

int Root::open_absolute_link(const std::string& name, open_how how) const {
  if (follow_ != FollowSymlinks::within || real_path_.empty()) return -EXDEV;
  const std::string target = real_path_of(real_path_ + name);
  if (target.empty()) return -errno;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  if (target + '/' == real_path_) return open_beneath(fd(), ".", how);
  if (!target.starts_with(real_path_)) return -EXDEV;
  return open_beneath(fd(), target.substr(real_path_.size()), how);
}

}  // namespace ringserve::files
