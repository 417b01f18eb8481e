// Somebody who has got hold of a server from the inside: makes its threads call the kernel as they
// would (ptrace(2)), and tells what the kernel answered. What a sandbox is worth can be seen so
// only: the server itself never asks for what it may not have.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace support {

// Whether this machine and user let a test take hold of another process (ptrace, x86-64).
bool can_intrude();

// One thread of a running process, stopped as long as this lives.
class Intruder {
 public:
  // Throws where ptrace is refused.
  explicit Intruder(pid_t thread);
  ~Intruder();  // the thread goes on where it was
  Intruder(const Intruder&) = delete;
  Intruder& operator=(const Intruder&) = delete;

  // The system call, as this thread: what it returned, or -errno.
  std::int64_t call(long number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0,
                    std::uint64_t d = 0, std::uint64_t e = 0, std::uint64_t f = 0);
  // Puts text with its end into the thread's stack, below what it uses, and returns the address:
  // valid until the next one.
  std::uint64_t put(std::string_view text);

 private:
  struct Registers;
  pid_t thread_;
};

}  // namespace support
