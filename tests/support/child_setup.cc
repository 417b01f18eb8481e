// The hooks between fork and exec. They rely on the filters of seccomp-BPF and on the bounding
// set of capabilities, both of which survive exec, and must never allocate in the child.
#include "tests/support/child_setup.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace support {
namespace {

template <std::size_t N>
int install(std::array<sock_filter, N> filter) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(N);
  program.filter = filter.data();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) return errno;
  return 0;
}

constexpr unsigned kNumber = offsetof(seccomp_data, nr);
// The low half of the second argument, on a little-endian machine.
constexpr unsigned kSecondArgument = offsetof(seccomp_data, args) + sizeof(__u64);
// Set by liburing in the opcode when the ring's own descriptor is registered.
constexpr unsigned kOpcodeMask = 0x7fffffffU;

}  // namespace

ChildSetup nothing_special() {
  return [] { return 0; };
}

ChildSetup with_open_files_limit(unsigned soft, unsigned hard) {
  return [soft, hard] {
    const rlimit limit{soft, hard};
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : errno;
  };
}

ChildSetup on_one_cpu() {
  return [] {
    cpu_set_t usable;
    if (::sched_getaffinity(0, sizeof usable, &usable) != 0) return errno;
    int first = 0;
    while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &usable)) ++first;
    CPU_ZERO(&usable);
    CPU_SET(first, &usable);
    return ::sched_setaffinity(0, sizeof usable, &usable) == 0 ? 0 : errno;
  };
}

ChildSetup without_capabilities(std::initializer_list<int> capabilities) {
  return [list = std::vector<int>(capabilities)] {
    if (::geteuid() != 0) return 0;
    for (const int capability : list) {
      if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return errno;
    }
    return 0;
  };
}

ChildSetup obeying_file_modes() {
  return without_capabilities({CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH});
}

ChildSetup forbidding(int system_call, int error) {
  return [number = static_cast<unsigned>(system_call), code = static_cast<unsigned>(error)] {
    return install(std::array<sock_filter, 4>{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (code & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }});
  };
}

ChildSetup refusing_ring_registration(unsigned opcode, int error) {
  return [opcode, code = static_cast<unsigned>(error)] {
    return install(std::array<sock_filter, 7>{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_register, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSecondArgument),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kOpcodeMask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, opcode, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (code & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }});
  };
}

ChildSetup all_of(std::vector<ChildSetup> setups) {
  return [list = std::move(setups)] {
    for (const ChildSetup& setup : list) {
      if (const int error = setup(); error != 0) return error;
    }
    return 0;
  };
}

}  // namespace support
