// What a child does to itself between fork and exec: limits, lost capabilities, forbidden
// system calls. Each returns a function that makes system calls only, so that it is safe in a
// child of a process with threads.
#pragma once

#include <sys/types.h>

#include <functional>
#include <initializer_list>
#include <vector>

namespace support {

// 0, or the errno that stopped it; then the child ends without exec.
using ChildSetup = std::function<int()>;

ChildSetup nothing_special();
ChildSetup with_open_files_limit(unsigned soft, unsigned hard);

// The child may run on one CPU only, the first of those this process may use.
ChildSetup on_one_cpu();

// File modes and privileged ports do not bind root: without the capability they do. As an
// ordinary user there is nothing to lose and the setup succeeds.
ChildSetup without_capabilities(std::initializer_list<int> capabilities);
ChildSetup obeying_file_modes();

// The system call fails with this errno, as if a container's seccomp profile forbade it.
ChildSetup forbidding(int system_call, int error);
// io_uring_register refuses one opcode, as a kernel does that is too old for it.
ChildSetup refusing_ring_registration(unsigned opcode, int error);

ChildSetup all_of(std::vector<ChildSetup> setups);

}  // namespace support
