// PTRACE_SEIZE, PTRACE_INTERRUPT, and a `syscall` instruction that the thread executes with the
// registers that are wanted. It relies on a thread that waits in the kernel: the instruction before
// its program counter is a `syscall` then.
#include "tests/support/intruder.h"

#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

namespace support {
namespace {

constexpr std::uint64_t kBelowStack = 4096;  // far below the red zone
constexpr std::uint64_t kSyscallBytes = 2;   // 0f 05

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void wait_for_stop(pid_t thread) {
  int status = 0;
  if (::waitpid(thread, &status, __WALL) != thread) fail("waitpid");
  if (!WIFSTOPPED(status)) throw std::runtime_error("the thread has ended");
}

#if defined(__x86_64__)
user_regs_struct registers_of(pid_t thread) {
  user_regs_struct registers{};
  if (::ptrace(PTRACE_GETREGS, thread, nullptr, &registers) != 0) fail("PTRACE_GETREGS");
  return registers;
}
#endif

}  // namespace

bool can_intrude() {
#if defined(__x86_64__)
  return ::geteuid() == 0;
#else
  return false;
#endif
}

Intruder::Intruder(pid_t thread) : thread_(thread) {
  if (::ptrace(PTRACE_SEIZE, thread_, nullptr, PTRACE_O_TRACESYSGOOD) != 0) fail("PTRACE_SEIZE");
  if (::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) != 0) fail("PTRACE_INTERRUPT");
  wait_for_stop(thread_);
}

Intruder::~Intruder() { ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }

std::int64_t Intruder::call([[maybe_unused]] long number, [[maybe_unused]] std::uint64_t a,
                            [[maybe_unused]] std::uint64_t b, [[maybe_unused]] std::uint64_t c,
                            [[maybe_unused]] std::uint64_t d, [[maybe_unused]] std::uint64_t e,
                            [[maybe_unused]] std::uint64_t f) {
#if defined(__x86_64__)
  const user_regs_struct before = registers_of(thread_);
  user_regs_struct wanted = before;
  wanted.rip = before.rip - kSyscallBytes;
  wanted.rax = static_cast<unsigned long long>(number);
  wanted.orig_rax = ~0ULL;  // no call of its own is to be begun again
  wanted.rdi = a;
  wanted.rsi = b;
  wanted.rdx = c;
  wanted.r10 = d;
  wanted.r8 = e;
  wanted.r9 = f;
  errno = 0;
  const long code = ::ptrace(PTRACE_PEEKTEXT, thread_, wanted.rip, nullptr);
  if (errno != 0) fail("PTRACE_PEEKTEXT");
  if ((code & 0xffff) != 0x050f) throw std::runtime_error("the thread is not in a system call");
  if (::ptrace(PTRACE_SETREGS, thread_, nullptr, &wanted) != 0) fail("PTRACE_SETREGS");
  for (int stop = 0; stop < 2; ++stop) {  // on the way in, on the way out
    if (::ptrace(PTRACE_SYSCALL, thread_, nullptr, nullptr) != 0) fail("PTRACE_SYSCALL");
    wait_for_stop(thread_);
  }
  const auto result = static_cast<std::int64_t>(registers_of(thread_).rax);
  if (::ptrace(PTRACE_SETREGS, thread_, nullptr, &before) != 0) fail("PTRACE_SETREGS");
  return result;
#else
  throw std::runtime_error("only on x86-64");
#endif
}

std::uint64_t Intruder::put([[maybe_unused]] std::string_view text) {
#if defined(__x86_64__)
  const std::uint64_t address = registers_of(thread_).rsp - kBelowStack;
  std::vector<char> bytes(text.begin(), text.end());
  bytes.push_back('\0');
  const iovec local{bytes.data(), bytes.size()};
  const iovec remote{reinterpret_cast<void*>(address), bytes.size()};
  if (::process_vm_writev(thread_, &local, 1, &remote, 1, 0) < 0) fail("process_vm_writev");
  return address;
#else
  throw std::runtime_error("only on x86-64");
#endif
}

}  // namespace support
