// A server with mounts of its own, which a test changes while it runs. Needs CAP_SYS_ADMIN.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "tests/support/child_setup.h"

namespace support {

// Whether this process may make mount namespaces.
bool may_mount();

// The child gets a mount namespace of its own, in which the directory is a mount of itself.
ChildSetup with_own_mount_of(const std::string& directory);
// The same, and the directory is a memory file system of this size.
ChildSetup with_memory_mounted_at(const std::string& directory, unsigned kibibytes);

// Runs `work`, which makes system calls on mounts, where that process has its mounts. It returns 0
// or an errno, which is thrown.
void in_mounts_of(pid_t pid, const std::function<int()>& work);

}  // namespace support
