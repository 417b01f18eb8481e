// What the kernel says about a running process.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace support {

std::size_t resident_bytes(pid_t pid);
std::size_t thread_count(pid_t pid);
std::size_t open_descriptors(pid_t pid);
std::size_t open_sockets(pid_t pid);
std::uint64_t cpu_ticks(pid_t pid);  // utime + stime
// Sent to the process as a whole, and not yet taken by it.
bool signal_is_pending(pid_t pid, int signal);

// Whether a process still owns the IPv4 socket at this end of the connection, or has left it to
// the kernel.
bool tcp_socket_is_held(std::uint16_t local_port, std::uint16_t remote_port);
// Connections in TIME_WAIT at this local port (IPv4).
std::size_t time_wait_count(std::uint16_t local_port);

// RLIMIT_NOFILE of another process, while it runs.
void limit_descriptors(pid_t pid, std::size_t soft);
// The soft limit of this process becomes its hard one, which is returned.
std::size_t raise_own_descriptor_limit();

}  // namespace support
