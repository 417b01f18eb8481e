// Pinning, waiting and counting. Must never leave a mount or a setting behind: tracefs is reached
// through a mount that no directory shows (fsmount(2)) where nobody has mounted it.
#include "bench/micro/machine.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <ctime>

#include "common/check.h"
#include "common/measure/cpu_time.h"

namespace micro {
namespace {

Cpus choose_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) < 0) return {};
  Cpus chosen{-1, -1};
  for (int cpu = 0; cpu < CPU_SETSIZE && chosen.far < 0; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    (chosen.near < 0 ? chosen.near : chosen.far) = cpu;
  }
  if (chosen.far < 0) chosen.far = chosen.near;
  return chosen;
}

constexpr const char* kTracepoint = "events/raw_syscalls/sys_enter/id";

// A tracefs that nobody else sees; gone with its descriptor. fsopen(2), Linux 5.2, for root.
net::OwnedFd detached_tracefs() {
  const net::OwnedFd context(::fsopen("tracefs", FSOPEN_CLOEXEC));
  if (!context.valid()) return {};
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) return {};
  return net::OwnedFd(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

net::OwnedFd open_tracepoint() {
  for (const char* mounted : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    const net::OwnedFd directory(::open(mounted, O_PATH | O_DIRECTORY | O_CLOEXEC));
    net::OwnedFd file(::openat(directory.get(), kTracepoint, O_RDONLY | O_CLOEXEC));
    if (file.valid()) return file;
  }
  const net::OwnedFd tracefs = detached_tracefs();
  if (!tracefs.valid()) return {};
  return net::OwnedFd(::openat(tracefs.get(), kTracepoint, O_RDONLY | O_CLOEXEC));
}

net::Result<uint64_t> tracepoint_id() {
  const net::OwnedFd file = open_tracepoint();
  if (!file.valid()) return net::fail("open the tracepoint raw_syscalls:sys_enter", errno);
  char text[32];
  const ssize_t length = ::read(file.get(), text, sizeof text);
  uint64_t id = 0;
  if (length <= 0 || std::from_chars(text, text + length, id).ec != std::errc{}) {
    return net::fail("read the number of raw_syscalls:sys_enter", length < 0 ? errno : EIO);
  }
  return id;
}

}  // namespace

const Cpus& cpus() {
  static const Cpus chosen = choose_cpus();
  return chosen;
}

void pin_this_thread(int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(cpu, &only);
  (void)::sched_setaffinity(0, sizeof only, &only);
}

void skip(benchmark::State& state, const net::Error& error) {
  state.SkipWithError(error.message().c_str());
}

int64_t cpu_of_ns(std::thread& thread) {
  clockid_t clock = 0;
  timespec time{};
  CHECK(::pthread_getcpuclockid(thread.native_handle(), &clock) == 0);
  CHECK(::clock_gettime(clock, &time) == 0);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

void relax() {
  if (cpus().shared()) {
    ::sched_yield();
  } else {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }
}

int64_t deadline_ns() { return measure::monotonic_ns() + kPatienceNs; }
bool is_past(int64_t deadline_ns) { return measure::monotonic_ns() > deadline_ns; }

net::Result<SyscallCounter> SyscallCounter::open() {
  auto id = tracepoint_id();
  if (!id) return tl::unexpected(id.error());
  perf_event_attr wanted{};
  wanted.type = PERF_TYPE_TRACEPOINT;
  wanted.size = sizeof wanted;
  wanted.config = *id;
  wanted.disabled = 1;
  const long event = ::syscall(SYS_perf_event_open, &wanted, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
  if (event < 0) {
    return net::fail("perf_event_open raw_syscalls:sys_enter", errno,
                     "run as root, or lower kernel.perf_event_paranoid");
  }
  return SyscallCounter(net::OwnedFd(static_cast<int>(event)));
}

void SyscallCounter::start() {
  CHECK(::ioctl(event_.get(), PERF_EVENT_IOC_RESET, 0) == 0);
  CHECK(::ioctl(event_.get(), PERF_EVENT_IOC_ENABLE, 0) == 0);
}

uint64_t SyscallCounter::stop() {
  CHECK(::ioctl(event_.get(), PERF_EVENT_IOC_DISABLE, 0) == 0);
  uint64_t count = 0;
  CHECK(::read(event_.get(), &count, sizeof count) == sizeof count);
  CHECK(count > 0);  // the ioctl that stopped it
  return count - 1;
}

}  // namespace micro
