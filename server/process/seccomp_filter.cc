// The list, by what needs it. What can be done through the ring is not the business of this filter:
// net::Ring has a list of its own.
#include "server/process/seccomp_filter.h"

#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <initializer_list>
#include <memory>

namespace ringserve::process {
namespace {

constexpr int kCachestat = 451;  // newer than the headers of Debian 12

constexpr std::initializer_list<int> kAllowed = {
    // The loop, and the sockets it has.
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(accept4), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(shutdown),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2),
    // Bodies.
    SCMP_SYS(sendfile), SCMP_SYS(splice), SCMP_SYS(pipe2), SCMP_SYS(fcntl), SCMP_SYS(read),
    SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(fadvise64), SCMP_SYS(readahead), kCachestat,
    // Files, and what is known of them.
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(close), SCMP_SYS(close_range),
    SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(statfs), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(lseek), SCMP_SYS(getdents64),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(ftruncate),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(memfd_create), SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
    // Memory, threads, time.
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
    SCMP_SYS(time), SCMP_SYS(restart_syscall),
    // Signals, and the end.
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group),
    // What it may ask about itself.
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(prlimit64),
    SCMP_SYS(sysinfo), SCMP_SYS(uname)};

using Filter = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

net::Status failed(const char* what, int result) {
  return net::fail(std::string("seccomp: ") + what, -result,
                   "is seccomp in this kernel (CONFIG_SECCOMP_FILTER)? --sandbox off does without");
}

// Memory may be made, but none that can be executed: code that somebody sends us cannot run.
int allow_memory(scmp_filter_ctx filter) {
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    const int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                                        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (result < 0) return result;
  }
  return 0;
}

// Threads, no processes. What clone3(2) is asked for lies in memory, where a filter cannot look:
// told that there is none, the C library takes clone(2).
int allow_threads(scmp_filter_ctx filter) {
  const int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (result < 0) return result;
  return seccomp_rule_add(
      filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
      SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));
}

int allow_ioctls(scmp_filter_ctx filter) {
  for (const auto request : {SIOCOUTQ, FIONREAD, TCGETS}) {
    const int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                        SCMP_A1(SCMP_CMP_EQ, static_cast<scmp_datum_t>(request)));
    if (result < 0) return result;
  }
  return 0;
}

// Of a socket that is there (connection_ending.cc): two bytes are a family and name no address.
int allow_disconnecting(scmp_filter_ctx filter) {
  return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 1,
                          SCMP_A2(SCMP_CMP_EQ, sizeof(sa_family_t)));
}

}  // namespace

net::Status confine_system_calls() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), seccomp_release);
  if (filter == nullptr) return failed("seccomp_init", -ENOMEM);
  for (const int call : kAllowed) {
    const int result = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
    // Not on this architecture: EDOM.
    if (result < 0 && result != -EDOM) return failed("seccomp_rule_add", result);
  }
  int result = allow_memory(filter.get());
  if (result == 0) result = allow_threads(filter.get());
  if (result == 0) result = allow_ioctls(filter.get());
  if (result == 0) result = allow_disconnecting(filter.get());
  if (result < 0) return failed("seccomp_rule_add", result);
  // The log, and a binary tree instead of a list, are there from libseccomp 2.4 and 2.5 on.
  (void)seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_LOG, 1);
  (void)seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  result = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  if (result < 0) return failed("seccomp_attr_set TSYNC", result);
  result = seccomp_load(filter.get());
  if (result < 0) return failed("seccomp_load", result);
  return {};
}

}  // namespace ringserve::process
