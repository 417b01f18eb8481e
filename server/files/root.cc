// String tricks are no sandbox: RESOLVE_BENEATH (openat2(2)) is.
#include "server/files/root.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "server/files/magic.h"

namespace ringserve::files {
namespace {

// Empty, with errno, where the path leads nowhere.
std::string real_path_of(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real == nullptr ? std::string() : std::string(real.get());
}

// File systems that ask nobody to open a file whose inode is in memory, nor to close it.
constexpr std::array<long, 14> kLocalFileSystems = {
    EXT4_SUPER_MAGIC, kXfsMagic,         BTRFS_SUPER_MAGIC,    F2FS_SUPER_MAGIC,
    kZfsMagic,        TMPFS_MAGIC,       RAMFS_MAGIC,          OVERLAYFS_SUPER_MAGIC,
    SQUASHFS_MAGIC,   ISOFS_SUPER_MAGIC, EROFS_SUPER_MAGIC_V1, MSDOS_SUPER_MAGIC,
    kExfatMagic,      kNtfs3Magic};

bool is_local(int fd) {
  struct statfs facts {};
  if (::fstatfs(fd, &facts) < 0) return false;
  return std::find(kLocalFileSystems.begin(), kLocalFileSystems.end(),
                   static_cast<long>(facts.f_type)) != kLocalFileSystems.end();
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

Root::Root(net::OwnedFd fd, std::string real_path, FollowSymlinks follow)
    : fd_(std::move(fd)),
      real_path_(std::move(real_path)),
      follow_(follow),
      may_wait_for_others_(!is_local(fd_.get())) {
  struct stat facts {};
  if (::fstat(fd_.get(), &facts) == 0) device_ = facts.st_dev;
}

uint64_t Root::resolve_flags() const {
  switch (follow_) {
    case FollowSymlinks::never: return RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    case FollowSymlinks::always: return RESOLVE_NO_MAGICLINKS;
    case FollowSymlinks::within: break;
  }
  return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
}

// RESOLVE_CACHED is about names. Another file system on the way may ask somebody to open the file
// itself, so that one is left to the ring, too: EXDEV.
int Root::open_without_disk(const std::string& name, open_how how) const {
  if (may_wait_for_others_) return -EAGAIN;
  const bool may_cross = (how.resolve & RESOLVE_NO_XDEV) == 0;
  how.resolve |= RESOLVE_CACHED | RESOLVE_NO_XDEV;
  const int result = open_beneath(fd(), name, how);
  return result == -EXDEV && may_cross ? -EAGAIN : result;
}

open_how Root::find_target() {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  return how;
}

std::string Root::name_of(int fd) const {
  std::array<char, PATH_MAX> path;
  const std::string link = fmt::format("/proc/self/fd/{}", fd);
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  if (length <= 0) return {};
  const std::string_view real(path.data(), static_cast<size_t>(length));
  if (real.size() + 1 == real_path_.size() && real_path_.starts_with(real)) return ".";
  if (!real.starts_with(real_path_)) return {};
  return std::string(real.substr(real_path_.size()));
}

}  // namespace ringserve::files
