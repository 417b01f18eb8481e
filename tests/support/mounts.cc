// setns(2) by a thread of its own, since a mount namespace is a thread's once it shares no working
// directory with others. It must never change a mount of the test's own namespace.
#include "tests/support/mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "tests/support/unique_fd.h"

namespace support {
namespace {

int unshare_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) return errno;
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno;
}

}  // namespace

bool may_mount() {
  bool may = false;
  std::thread([&may] { may = unshare_mounts() == 0; }).join();
  return may;
}

ChildSetup with_own_mount_of(const std::string& directory) {
  return [directory] {
    if (const int error = unshare_mounts(); error != 0) return error;
    const char* path = directory.c_str();
    return ::mount(path, path, nullptr, MS_BIND, nullptr) == 0 ? 0 : errno;
  };
}

ChildSetup with_memory_mounted_at(const std::string& directory, unsigned kibibytes) {
  return [directory, size = "size=" + std::to_string(kibibytes) + "k"] {
    if (const int error = unshare_mounts(); error != 0) return error;
    const bool done = ::mount("tmpfs", directory.c_str(), "tmpfs", 0, size.c_str()) == 0;
    return done ? 0 : errno;
  };
}

void in_mounts_of(pid_t pid, const std::function<int()>& work) {
  int error = 0;
  std::thread([&] {
    const std::string path = "/proc/" + std::to_string(pid) + "/ns/mnt";
    const UniqueFd mounts(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const bool there =
        mounts.valid() && ::unshare(CLONE_FS) == 0 && ::setns(mounts.get(), CLONE_NEWNS) == 0;
    error = there ? work() : errno;
  }).join();
  if (error != 0) throw std::system_error(error, std::generic_category(), "in a server's mounts");
}

}  // namespace support
