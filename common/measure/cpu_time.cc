// The CPU clock of a process counts all its threads, in nanoseconds, and needs no permission;
// descendants are found by the parent's pid in /proc/PID/stat (proc(5)).
#include "common/measure/cpu_time.h"

#include <dirent.h>

#include <charconv>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <set>
#include <string>

namespace measure {
namespace {

int64_t read_clock_ns(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return -1;
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

// -1 when it is gone.
int64_t cpu_of_process_ns(pid_t pid) {
  clockid_t clock = 0;
  return ::clock_getcpuclockid(pid, &clock) == 0 ? read_clock_ns(clock) : -1;
}

// 0 when it is gone. The command between the parentheses may hold anything, also parentheses.
pid_t parent_of(const char* pid) {
  std::ifstream file(std::string("/proc/") + pid + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t end = line.rfind(')');
  if (end == std::string::npos || end + 4 >= line.size()) return 0;
  pid_t parent = 0;
  std::from_chars(line.data() + end + 4, line.data() + line.size(), parent);
  return parent;
}

std::map<pid_t, pid_t> read_parents() {
  std::map<pid_t, pid_t> parents;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
  if (directory == nullptr) return parents;
  while (const dirent* entry = ::readdir(directory.get())) {
    pid_t pid = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, pid).ptr == end)
      parents[pid] = parent_of(entry->d_name);
  }
  return parents;
}

}  // namespace

int64_t monotonic_ns() { return read_clock_ns(CLOCK_MONOTONIC); }
int64_t thread_cpu_ns() { return read_clock_ns(CLOCK_THREAD_CPUTIME_ID); }
int64_t process_cpu_ns() { return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

int64_t ProcessTreeCpu::total_ns() {
  const std::map<pid_t, pid_t> parents = read_parents();
  std::set<pid_t> family(roots_.begin(), roots_.end());
  for (size_t before = 0; before != family.size();) {
    before = family.size();
    for (const auto& [pid, parent] : parents) {
      if (family.count(parent) != 0) family.insert(pid);
    }
  }
  for (const pid_t pid : family) {
    const int64_t now_ns = cpu_of_process_ns(pid);
    if (now_ns >= 0) seen_ns_[pid] = now_ns;
  }
  int64_t total = 0;
  for (const auto& [pid, used_ns] : seen_ns_) total += used_ns;
  return total;
}

}  // namespace measure
