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

// Moves the calling process into a mount namespace of its own, where /proc/sys is read-only but for
// the network's: EROFS. A user namespace alone does not keep the machine's parameters safe, since
// whoever is root outside of it still owns their files. After enter_private_user(), and before any
// other thread runs. What has CAP_SYS_ADMIN can unmount it: see give_up_mounts().
Status make_machine_parameters_read_only();

// The calling thread, and what it starts, may no longer change mounts, nor regain that here.
// System calls only, so that a child may call it between fork and exec. 0, or an errno.
int give_up_mounts();

}  // namespace net
