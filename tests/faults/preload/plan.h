// What a test and the preloaded library agree on: which call fails next, how and how often, and
// what really happened. It lies in memory that both map, so a test changes it while the server
// runs. Plain atomics only: the two are different processes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace faults {

// The environment variable that names the file to map.
inline constexpr const char* kPlanVariable = "RINGSERVE_FAULT_PLAN";

// System calls by the server's thread, then what it asks of the ring. A splice is told apart by its
// source, a read by what it reads from.
enum class Call : unsigned {
  accept4,
  cachestat,
  eventfd,
  fcntl,
  fstat,  // or statx of a descriptor
  getdents64,
  getpeername,
  inotify_add_watch,
  inotify_init1,
  ioctl,
  memfd_create,
  mmap,
  openat,
  openat2,  // RESOLVE_CACHED
  pipe2,
  pread,
  preadv2,
  pwrite,
  read_eventfd,
  read_inotify,
  read_signalfd,
  sendfile,
  sendmsg,
  sendto,
  setsockopt,
  shutdown,
  splice_from_file,
  splice_to_socket,
  statx,
  write_file,
  ring_accept,
  ring_enter,
  ring_openat2,
  ring_poll,
  ring_read,
  ring_recv,
  ring_send,
  ring_splice_from_file,
  ring_splice_to_socket,
  kCount
};
inline constexpr std::size_t kCalls = static_cast<std::size_t>(Call::kCount);

inline constexpr std::array<std::string_view, kCalls> kCallNames = {
    "accept4",
    "cachestat",
    "eventfd",
    "fcntl",
    "fstat",
    "getdents64",
    "getpeername",
    "inotify_add_watch",
    "inotify_init1",
    "ioctl",
    "memfd_create",
    "mmap",
    "openat",
    "openat2",
    "pipe2",
    "pread",
    "preadv2",
    "pwrite",
    "read (eventfd)",
    "read (inotify)",
    "read (signalfd)",
    "sendfile",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "splice (file to pipe)",
    "splice (pipe to socket)",
    "statx",
    "write (log)",
    "ring: accept",
    "io_uring_enter",
    "ring: openat2",
    "ring: poll",
    "ring: read",
    "ring: recv",
    "ring: send",
    "ring: splice (file to pipe)",
    "ring: splice (pipe to socket)"};

// In place of an errno: the call is made, for half of the bytes.
inline constexpr int kShortCount = -1;
inline constexpr std::uint32_t kAlways = UINT32_MAX;
inline constexpr std::size_t kErrnoMax = 134;

struct Rule {
  std::atomic<std::uint32_t> left;   // calls still to be hit; written last
  std::atomic<std::int32_t> error;   // an errno, or kShortCount
  std::atomic<std::uint64_t> hits;   // calls that were hit
  std::atomic<std::uint64_t> calls;  // all of them
};

struct Plan {
  std::array<Rule, kCalls> rules;
  // Read when a ring is made; 0: what the server asked for.
  std::atomic<std::uint32_t> ring_entries;  // of both queues
  std::atomic<std::uint32_t> ring_workers;  // of io-wq, of each kind
  // Seen, not made: completions by their error, and returns from the kernel with some kept back.
  std::array<std::atomic<std::uint64_t>, kErrnoMax> failed_completions;
  std::atomic<std::uint64_t> overflows;
  std::atomic<std::uint64_t> small_pipes;  // F_SETPIPE_SZ that the kernel itself refused
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace faults
