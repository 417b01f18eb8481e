// One read or write a parameter: the kernel takes each write(2) as a whole value (proc_sys(5)).
#include "client/tune/conf/proc_sys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace ringtune {
namespace {

constexpr const char* kRoot = "/proc/sys";

std::string advice_for(int errno_value, bool writing) {
  switch (errno_value) {
    case ENOENT: return "this kernel, or this namespace, does not have it";
    case EACCES:
    case EPERM:
      return writing ? "be root of the namespace that owns it; what is the host's only the host "
                       "may set"
                     : "be root";
    case EROFS: return "/proc/sys is mounted read-only here, as containers do";
    case EINVAL: return "the kernel does not take this value; ringtune explain says what it takes";
    case ERANGE: return "the number is too large or too small";
    case EXDEV:
    case ELOOP: return "it is not a parameter below /proc/sys";
    default: return {};
  }
}

}  // namespace

net::Result<ProcSys> ProcSys::open() {
  net::OwnedFd root(::open(kRoot, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) return net::fail(fmt::format("open {}", kRoot), errno, "mount /proc");
  struct statfs facts {};
  if (::fstatfs(root.get(), &facts) < 0) return net::fail(fmt::format("statfs {}", kRoot), errno);
  if (facts.f_type != PROC_SUPER_MAGIC) {
    return net::fail(fmt::format("{} is not the kernel's", kRoot), 0, "mount /proc");
  }
  return ProcSys(std::move(root));
}

net::Result<net::OwnedFd> ProcSys::open_parameter(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOCTTY);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how);
  if (fd < 0) {
    const int error = errno;
    return net::fail(fmt::format("open {}/{}", kRoot, path), error,
                     advice_for(error, (flags & O_ACCMODE) == O_WRONLY));
  }
  return net::OwnedFd(static_cast<int>(fd));
}

net::Result<std::string> ProcSys::read(const std::string& path) const {
  const auto file = open_parameter(path, O_RDONLY);
  if (!file) return tl::unexpected(file.error());
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(file->get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return net::fail(fmt::format("read {}/{}", kRoot, path), errno);
    if (got == 0) break;
    text.append(buffer, static_cast<size_t>(got));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

net::Status ProcSys::write(const std::string& path, const std::string& value) const {
  const auto file = open_parameter(path, O_WRONLY);
  if (!file) return tl::unexpected(file.error());
  // With a newline: a list of ports becomes empty by an empty line, not by a write of nothing.
  const std::string line = value + '\n';
  const ssize_t written = ::write(file->get(), line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size())) return {};
  const int error = written < 0 ? errno : EIO;
  return net::fail(fmt::format("write '{}' to {}/{}", value, kRoot, path), error,
                   advice_for(error, true));
}

}  // namespace ringtune
