// The sandbox: openat2(2) below a root directory, where the kernel decides at every opening anew
// what is below it. Holds the directory's descriptor; keeps nothing about files. One thread.
#pragma once

#include <linux/openat2.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace ringserve::files {

// within: links may lead to anything below the root, absolute ones too. always: anywhere.
enum class FollowSymlinks { within, never, always };

class Root {
 public:
  static net::Result<Root> open(const std::string& path, FollowSymlinks follow);

  int fd() const { return fd_.get(); }

  // No link on the way and no mount (a file may be bind-mounted from elsewhere): what inotify sees.
  // Always tried first, for most paths are so, and that one is has to be known.
  static constexpr uint64_t kPlain = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  // What else is allowed; never equal to kPlain.
  uint64_t resolve_flags() const;

  // A descriptor or -errno; -EAGAIN where it would have to wait for the disk.
  int open_without_disk(const std::string& name, open_how how) const;
  // Whether opening and closing a file that the kernel knows may wait all the same: in the network,
  // in user space, or nobody knows where.
  bool may_wait_for_others() const { return may_wait_for_others_; }
  // Of the file system of the root itself.
  dev_t device() const { return device_; }

  // RESOLVE_BENEATH refuses every absolute link, also one that points below the root. Then what
  // the link leads to is opened with find_target(), which gives no access to it (O_PATH), asked for
  // its name, and that name is opened below the root with kTarget, without any link: the check.
  bool allows_absolute_links() const {
    return follow_ == FollowSymlinks::within && !real_path_.empty();
  }
  static open_how find_target();
  static constexpr uint64_t kTarget = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  // The name below the root of an open file; "." is the root itself, empty what is outside.
  std::string name_of(int fd) const;

 private:
  Root(net::OwnedFd fd, std::string real_path, FollowSymlinks follow);

  net::OwnedFd fd_;
  std::string real_path_;  // ends in a slash; empty where it cannot be found out
  FollowSymlinks follow_;
  bool may_wait_for_others_;
  dev_t device_ = 0;
};

}  // namespace ringserve::files
