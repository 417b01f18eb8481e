// The sandbox: openat2(2) below a root directory, where the kernel decides at every opening anew
// what is below it. Holds the directory's descriptor; keeps nothing about files. One thread.
#pragma once

#include <linux/openat2.h>

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

  // RESOLVE_BENEATH refuses every absolute link, also one that points below the root. The name that
  // `name` leads to is found out the slow way; opening it below the root, without any link, is the
  // check. A descriptor or -errno.
  int open_absolute_link(const std::string& name, open_how how) const;

 private:
  Root(net::OwnedFd fd, std::string real_path, FollowSymlinks follow)
      : fd_(std::move(fd)), real_path_(std::move(real_path)), follow_(follow) {}

  net::OwnedFd fd_;
  std::string real_path_;  // ends in a slash; empty where it cannot be found out
  FollowSymlinks follow_;
};

}  // namespace ringserve::files
