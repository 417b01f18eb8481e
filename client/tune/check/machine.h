// What is read of this machine before anything is judged. The judges get it as plain data, so that
// tests can give them any machine.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"

namespace ringtune {

struct KernelVersion {
  int major = 0;
  int minor = 0;

  friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};

struct Listener {
  std::string address;
  uint16_t port = 0;
  uint32_t backlog = 0;  // as it is in force: the smaller of listen()'s and somaxconn then
};

struct Machine {
  std::string kernel;  // the release, as uname(2) has it
  KernelVersion version;
  // By name, with single spaces; what this kernel or namespace does not have is missing.
  std::map<std::string, std::string, std::less<>> values;
  // Why a value that is there could not be read.
  std::map<std::string, std::string, std::less<>> unreadable;
  uint64_t memory_bytes = 0;
  uint64_t page_bytes = 4096;
  bool privileged = false;  // root, and not only of a user namespace: limits of users do not count
  int ring_errno = 0;       // of io_uring_setup(2), 0 if it works

  // Witnesses: what the kernel has counted since it started, or since the namespace was made.
  std::optional<uint64_t> listen_overflows;
  std::optional<uint64_t> time_wait_overflows;
  std::optional<uint64_t> backlog_drops;      // second column of /proc/net/softnet_stat
  std::optional<uint64_t> budget_squeezes;    // third column
  std::optional<uint64_t> conntrack_entries;  // 0: no rule tracks anything here
  std::optional<uint64_t> open_files;         // of the machine

  std::vector<Listener> listeners;  // TCP, of this network namespace

  // Empty if it is not there.
  std::string_view value(std::string_view name) const;
  std::optional<int64_t> number(std::string_view name) const;          // of a single number
  std::optional<int64_t> last_number_of(std::string_view name) const;  // the maximum of three
};

net::Result<Machine> look_at_machine();

// "4294967295 4294967295" for a limit of getrlimit(2), soft and hard; unlimited is "unlimited".
std::optional<uint64_t> limit_of(std::string_view soft_and_hard, bool hard);

// Sums of the columns of /proc/net/softnet_stat, which are hexadecimal, a line for each CPU.
struct SoftnetSums {
  uint64_t dropped = 0;
  uint64_t squeezed = 0;
};
std::optional<SoftnetSums> sum_softnet(std::string_view text);

KernelVersion version_of(std::string_view release);

}  // namespace ringtune
