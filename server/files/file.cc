// Facts of stat(2) in the form they are compared in.
#include "server/files/file.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace ringserve::files {

int64_t in_ns(const timespec& time) {
  return static_cast<int64_t>(static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
                              static_cast<uint64_t>(time.tv_nsec));
}

int stat_without_disk(int fd, struct stat& facts) {
  constexpr unsigned kWanted =
      STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_INO | STATX_SIZE | STATX_MTIME | STATX_CTIME;
  struct statx found {};
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, kWanted, &found) < 0) return errno;
  facts.st_dev = makedev(found.stx_dev_major, found.stx_dev_minor);
  facts.st_ino = found.stx_ino;
  facts.st_mode = found.stx_mode;
  facts.st_nlink = found.stx_nlink;
  facts.st_size = static_cast<off_t>(found.stx_size);
  facts.st_mtim = {found.stx_mtime.tv_sec, static_cast<long>(found.stx_mtime.tv_nsec)};
  facts.st_ctim = {found.stx_ctime.tv_sec, static_cast<long>(found.stx_ctime.tv_nsec)};
  return 0;
}

void FileFd::reset() {
  if (!fd_.valid()) return;
  struct stat facts {};
  const auto has_name = [&] {
    return has_name_ || (stat_without_disk(fd_.get(), facts) == 0 && facts.st_nlink > 0);
  };
  if (left_ != nullptr && (always_waits_ || !has_name())) left_->fds.push_back(std::move(fd_));
  fd_.reset();
}

Identity Identity::of(const struct stat& facts) {
  return {facts.st_dev, facts.st_ino, facts.st_size, in_ns(facts.st_mtim), in_ns(facts.st_ctim)};
}

}  // namespace ringserve::files
