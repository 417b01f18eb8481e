// The process that starts successors (starter.h), from the inside, and what it and the server say
// to each other: a head "COUNT\nNAME:NAME", then the descriptors, the last of which is the pipe
// of readiness, then one reply.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace ringserve::process {

// SCM_MAX_FD of the kernel is 253 (unix(7)).
constexpr size_t kDescriptorsPerMessage = 250;

// Holds the number of the descriptor where a successor says that it is ready.
constexpr const char* kReadinessVariable = "RINGSERVE_READINESS_FD";

struct StarterReply {
  pid_t pid;
  int error;  // 0, or the errno of what failed
  char what[32];
};

// Serves requests of `channel` until its other end is closed, then ends the process.
[[noreturn]] void run_starter(int channel, const char* program, char** arguments);

}  // namespace ringserve::process
