// Facts of stat(2) in the form they are compared in.
#include "server/files/file.h"

namespace ringserve::files {

int64_t in_ns(const timespec& time) {
  return static_cast<int64_t>(static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
                              static_cast<uint64_t>(time.tv_nsec));
}

Identity Identity::of(const struct stat& facts) {
  return {facts.st_dev, facts.st_ino, facts.st_size, in_ns(facts.st_mtim), in_ns(facts.st_ctim)};
}

}  // namespace ringserve::files
