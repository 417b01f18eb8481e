// unshare(2), identity maps, lo up, and mounts. It must never touch the network that it leaves, nor
// leave the process half inside: every failure is reported, and the caller should then end or skip.
#include "common/net/private_network.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cstring>

#include "common/net/owned_fd.h"
#include "common/net/sysctl.h"

namespace net {
namespace {

std::string forbidden_by(int errno_value) {
  if (errno_value == EINVAL) return "call it while the process has a single thread";
  if (errno_value == ENOSPC || read_sysctl_int("user.max_user_namespaces").value_or(1) == 0) {
    return "user.max_user_namespaces, user.max_net_namespaces or user.max_mnt_namespaces is used "
           "up or 0; raise it, or run as root";
  }
  // Of Debian's kernels, and of Ubuntu's; elsewhere the parameters do not exist.
  if (read_sysctl_int("kernel.unprivileged_userns_clone").value_or(1) == 0) {
    return "kernel.unprivileged_userns_clone is 0; set it to 1, or run as root";
  }
  if (read_sysctl_int("kernel.apparmor_restrict_unprivileged_userns").value_or(0) == 1) {
    return "kernel.apparmor_restrict_unprivileged_userns is 1; set it to 0, or run as root";
  }
  return "a seccomp profile, as of a container, may forbid unshare(2); run as root outside of it";
}

// Looks around in /proc, so that errno must have been saved before.
tl::unexpected<Error> forbidden(std::string what, int errno_value) {
  return fail(std::move(what), errno_value, forbidden_by(errno_value));
}

Status write_file(const char* path, const std::string& text) {
  const OwnedFd file(::open(path, O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return forbidden(fmt::format("open {}", path), errno);
  const ssize_t written = ::write(file.get(), text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    return forbidden(fmt::format("write '{}' to {}", text, path), written < 0 ? errno : EIO);
  }
  return {};
}

Status map_identity(uid_t user, gid_t group) {
  // A group can be mapped without privilege only after setgroups(2) has been given up.
  if (auto status = write_file("/proc/self/setgroups", "deny"); !status) return status;
  if (auto status = write_file("/proc/self/uid_map", fmt::format("0 {} 1", user)); !status) {
    return status;
  }
  return write_file("/proc/self/gid_map", fmt::format("0 {} 1", group));
}

Status bring_loopback_up() {
  const OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail("socket AF_INET", errno);
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0) return fail("bring lo up", errno);
  return {};
}

constexpr const char* kParameters = "/proc/sys";
constexpr const char* kNetworkParameters = "/proc/sys/net";

// With the mounts below it: /proc/sys/fs/binfmt_misc is one, and the machine's too.
Status mount_on_itself(const char* path, const mount_attr& attributes) {
  if (::mount(path, path, nullptr, MS_BIND | MS_REC, nullptr) < 0) {
    return fail(fmt::format("mount {} on itself", path), errno);
  }
  mount_attr changed = attributes;
  if (::mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &changed, sizeof changed) < 0) {
    return fail(fmt::format("mount_setattr {}", path), errno);
  }
  return {};
}

}  // namespace

Status make_machine_parameters_read_only() {
  if (::unshare(CLONE_NEWNS) < 0) return forbidden("unshare CLONE_NEWNS", errno);
  // Nothing of what follows may reach the namespace that was left.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0) {
    return fail("mount / as a slave", errno);
  }
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  if (auto status = mount_on_itself(kParameters, read_only); !status) return status;
  mount_attr writable{};
  writable.attr_clr = MOUNT_ATTR_RDONLY;
  return mount_on_itself(kNetworkParameters, writable);
}

int give_up_mounts() {
  // Out of the bounding set: exec(2) would give it to root again.
  if (::prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) < 0) return errno;
  return 0;
}

Status enter_private_user() {
  const uid_t user = ::geteuid();
  const gid_t group = ::getegid();
  if (::unshare(CLONE_NEWUSER) < 0) return forbidden("unshare CLONE_NEWUSER", errno);
  return map_identity(user, group);
}

Status enter_private_network() {
  // The privileged way first: it works with several threads, and keeps files' owners as they are.
  if (::unshare(CLONE_NEWNET) < 0) {
    if (errno != EPERM) return forbidden("unshare CLONE_NEWNET", errno);
    if (auto status = enter_private_user(); !status) return status;
    if (::unshare(CLONE_NEWNET) < 0) return forbidden("unshare CLONE_NEWNET", errno);
  }
  return bring_loopback_up();
}

}  // namespace net
