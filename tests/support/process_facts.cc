// Readings from /proc. It relies on the process being alive, and throws when it is not.
#include "tests/support/process_facts.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace support {
namespace {

std::string proc(pid_t pid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::size_t count_entries(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

struct TcpSocket {
  unsigned local_port = 0;
  unsigned remote_port = 0;
  unsigned state = 0;
  std::uint64_t inode = 0;
};

unsigned port_of(const std::string& address) {
  return static_cast<unsigned>(std::stoul(address.substr(address.find(':') + 1), nullptr, 16));
}

std::vector<TcpSocket> tcp_sockets() {
  std::vector<TcpSocket> sockets;
  std::ifstream table("/proc/net/tcp");
  std::string line;
  std::getline(table, line);  // the names of the columns
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer, retransmits, uid, timeout;
    TcpSocket socket;
    if (fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
        timeout >> socket.inode) {
      socket.local_port = port_of(local);
      socket.remote_port = port_of(remote);
      socket.state = static_cast<unsigned>(std::stoul(state, nullptr, 16));
      sockets.push_back(socket);
    }
  }
  return sockets;
}

constexpr unsigned kTimeWait = 6;  // TCP_TIME_WAIT

}  // namespace

bool tcp_socket_is_held(std::uint16_t local_port, std::uint16_t remote_port) {
  const auto sockets = tcp_sockets();
  return std::any_of(sockets.begin(), sockets.end(), [&](const TcpSocket& socket) {
    return socket.local_port == local_port && socket.remote_port == remote_port &&
           socket.inode != 0;
  });
}

std::size_t time_wait_count(std::uint16_t local_port) {
  const auto sockets = tcp_sockets();
  const auto count = std::count_if(sockets.begin(), sockets.end(), [&](const TcpSocket& socket) {
    return socket.local_port == local_port && socket.state == kTimeWait;
  });
  return static_cast<std::size_t>(count);
}

std::size_t resident_bytes(pid_t pid) {
  std::ifstream statm(proc(pid, "statm"));
  std::size_t total_pages = 0;
  std::size_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) throw std::runtime_error("no statm");
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t thread_count(pid_t pid) { return count_entries(proc(pid, "task")); }

std::size_t open_descriptors(pid_t pid) { return count_entries(proc(pid, "fd")); }

std::size_t open_sockets(pid_t pid) {
  std::size_t sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(proc(pid, "fd"))) {
    std::error_code closed_meanwhile;
    const std::string what = std::filesystem::read_symlink(entry, closed_meanwhile).string();
    sockets += what.starts_with("socket:");
  }
  return sockets;
}

std::uint64_t cpu_ticks(pid_t pid) {
  std::ifstream stat(proc(pid, "stat"));
  // The name in parentheses may hold anything; the numbers start behind the last one.
  stat.ignore(std::numeric_limits<std::streamsize>::max(), ')');
  std::string skipped;
  for (int field = 3; field < 14; ++field) stat >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  if (!(stat >> user >> system)) throw std::runtime_error("no stat");
  return user + system;
}

bool signal_is_pending(pid_t pid, int signal) {
  std::ifstream status(proc(pid, "status"));
  const std::string key = "ShdPnd:";
  for (std::string line; std::getline(status, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const auto pending = std::stoull(line.substr(key.size()), nullptr, 16);
    return ((pending >> (signal - 1)) & 1) != 0;
  }
  throw std::runtime_error("no status");
}

void limit_descriptors(pid_t pid, std::size_t soft) {
  rlimit limit{};
  int failed = ::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit);
  limit.rlim_cur = soft;
  if (failed == 0) failed = ::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr);
  if (failed != 0) throw std::system_error(errno, std::generic_category(), "prlimit");
}

std::size_t raise_own_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max;
}

}  // namespace support
