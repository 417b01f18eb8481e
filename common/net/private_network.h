// A network namespace of one's own (network_namespaces(7)): its own loopback device, ports,
// TIME_WAIT and net.* sysctls, which may be changed without touching the machine's. For tests,
// demonstrations and experiments.
#pragma once

#include "common/net/result.h"

namespace net {

// Moves the calling process into a new network namespace and brings `lo` up. Root keeps its
// identity; an ordinary user becomes root of a new user namespace (user_namespaces(7)), which
// cannot be undone, and maps only this user. Call it before any other thread runs: the kernel
// refuses a user namespace to a process with several, and other threads would stay behind.
// May be called again: each call gives a fresh, empty network.
// Errors say what forbids it: user.max_user_namespaces, kernel.unprivileged_userns_clone,
// AppArmor, a container's seccomp profile.
Status enter_private_network();

// Moves the calling process into a fresh user namespace, of which it is root: from then on it has
// no right outside of it, whoever it was before, and private networks may be entered as often as
// wanted. Before any other thread runs, and once: they nest, 32 deep at most.
Status enter_private_user();

}  // namespace net
