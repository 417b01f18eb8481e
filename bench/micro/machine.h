// What the benchmarks share about the machine: which CPUs to use, how to wait without a system
// call, and how to count the system calls of a thread. Changes nothing outside of this process.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <thread>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace micro {

// The CPUs of the measured thread and of the one at the other end. The same where the process may
// use only one; then threads take turns and every figure includes switching between them.
struct Cpus {
  int near = 0;
  int far = 0;

  bool shared() const { return near == far; }
};

// Chosen at the first call from the CPUs that the calling thread may use, so main() calls it first.
const Cpus& cpus();
// Of the calling thread. A failure (a CPU gone offline) leaves the thread where it was.
void pin_this_thread(int cpu);

// Ends a benchmark that cannot go on, with the reason.
void skip(benchmark::State& state, const net::Error& error);

// CPU time of another thread of this process, in nanoseconds (pthread_getcpuclockid(3)).
int64_t cpu_of_ns(std::thread& thread);

// Waits for `ready()` without a system call, so that waiting does not count as work; false after
// kPatienceNs. Burns CPU time: measure around it, not across it.
constexpr int64_t kPatienceNs = 20'000'000'000;
void relax();
int64_t deadline_ns();
bool is_past(int64_t deadline_ns);
template <typename Ready>
bool spin_until(Ready&& ready) {
  const int64_t deadline = deadline_ns();
  for (unsigned turn = 1; !ready(); ++turn) {
    if (turn % 1024 == 0 && is_past(deadline)) return false;
    relax();
  }
  return true;
}

// Counts the system calls of the thread that opened it, by the tracepoint raw_syscalls:sys_enter
// (perf_event_open(2)). A traced system call is slower: never count and measure time at once.
class SyscallCounter {
 public:
  // EACCES, EPERM: kernel.perf_event_paranoid or a sandbox; ENOENT: no tracefs, or a kernel without
  // CONFIG_FTRACE_SYSCALLS.
  static net::Result<SyscallCounter> open();

  void start();
  // System calls since start(), without the one that stops the counting.
  uint64_t stop();

 private:
  explicit SyscallCounter(net::OwnedFd event) : event_(std::move(event)) {}

  net::OwnedFd event_;
};

}  // namespace micro
