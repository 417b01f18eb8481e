// CPU time as the kernel accounts it, in nanoseconds (clock_gettime(2), clock_getcpuclockid(3)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

namespace measure {

int64_t monotonic_ns();
int64_t thread_cpu_ns();   // of the calling thread
int64_t process_cpu_ns();  // of this process, all threads, also those that have ended

// CPU time of other processes and all their descendants, on this machine. A process that ends
// keeps what it had used when it was last looked at; one that starts later counts from its start.
class ProcessTreeCpu {
 public:
  explicit ProcessTreeCpu(std::vector<pid_t> roots) : roots_(std::move(roots)) {}
  // In all, since these processes started. Walks /proc; call it about once a second.
  int64_t total_ns();

 private:
  std::vector<pid_t> roots_;
  std::map<pid_t, int64_t> seen_ns_;
};

}  // namespace measure
