// The system calls that a serving process needs, and no other (seccomp(2)).
#pragma once

#include "common/net/result.h"

namespace ringserve::process {

// A sanitizer's run-time makes calls of its own.
#ifdef RINGSERVE_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// For all threads there are and all they start. A call that is not on the list fails with EPERM,
// and the kernel's audit log has its number: a server must not die of a new C library that asks for
// a call it can do without, and whoever broke in gains as little from EPERM as from the end. Needs
// PR_SET_NO_NEW_PRIVS.
net::Status confine_system_calls();

}  // namespace ringserve::process
