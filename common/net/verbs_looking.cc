// The verbs of verbs.h that look and wait: TCP_INFO, sock_diag, the counters of /proc, poll(2).
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>
#include <thread>

#include "common/net/read_file.h"
#include "common/net/require.h"
#include "common/net/tcp_counters.h"
#include "common/net/verbs.h"

namespace net::verbs {
namespace {

// Another socket's state is not announced: time between two looks.
constexpr std::chrono::milliseconds kLookAgain{1};
constexpr size_t kProcFileBytesMax = 1U << 20;

}  // namespace

tcp_info info_of(const OwnedFd& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  require(::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0,
          "getsockopt TCP_INFO");
  return info;
}

TcpState state_of(const OwnedFd& socket) {
  return static_cast<TcpState>(info_of(socket).tcpi_state);
}

uint32_t count_segments(const OwnedFd& socket) { return info_of(socket).tcpi_data_segs_out; }

std::vector<SeenSocket> sockets_at(uint16_t local_port, int family) {
  auto diag = require(SockDiag::open());
  std::vector<SeenSocket> seen;
  require(diag->dump(family, {}, [&](const SeenSocket& socket) {
    if (socket.local.port == local_port) seen.push_back(socket);
  }));
  return seen;
}

std::vector<SeenSocket> all_sockets(int family) {
  auto diag = require(SockDiag::open());
  std::vector<SeenSocket> seen;
  require(diag->dump(family, {}, [&](const SeenSocket& socket) { seen.push_back(socket); }));
  return seen;
}

std::vector<TcpState> states_of(uint16_t local_port, int family) {
  std::vector<TcpState> states;
  for (const SeenSocket& socket : sockets_at(local_port, family)) states.push_back(socket.state);
  std::sort(states.begin(), states.end());
  return states;
}

bool has_state(uint16_t local_port, TcpState state, int family) {
  const std::vector<TcpState> states = states_of(local_port, family);
  return std::find(states.begin(), states.end(), state) != states.end();
}

std::string flags_of(const std::vector<Segment>& segments) {
  std::string all;
  for (const Segment& segment : segments) all += (all.empty() ? "" : " | ") + segment.flags();
  return all;
}

const char* name_of(TcpState state) {
  static constexpr std::array kNames = {
      "UNKNOWN", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",    "TIME_WAIT",
      "CLOSE",   "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV", "BOUND"};
  const auto index = static_cast<size_t>(state);
  return index < kNames.size() ? kNames[index] : kNames[0];
}

uint64_t counter(std::string_view group, std::string_view name) {
  for (const char* path : {"/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"}) {
    const std::string text = require(read_file(path, kProcFileBytesMax));
    if (const auto value = column_counter(text, group, name)) return *value;
  }
  // A name and a value in each line: "Ip6FragCreates  0".
  std::istringstream words(require(read_file("/proc/thread-self/net/snmp6", kProcFileBytesMax)));
  const std::string wanted = std::string(group) + std::string(name);
  std::string word;
  uint64_t value = 0;
  while (words >> word >> value) {
    if (word == wanted) return value;
  }
  throw std::runtime_error("this kernel has no counter " + std::string(group) + " " +
                           std::string(name));
}

uint64_t gauge(std::string_view group, std::string_view name) {
  const std::string text = require(read_file("/proc/thread-self/net/sockstat", kProcFileBytesMax));
  if (const auto value = pair_counter(text, group, name)) return *value;
  throw std::runtime_error("/proc/net/sockstat has no " + std::string(name));
}

bool has_event(const OwnedFd& socket, short events, std::chrono::milliseconds within) {
  pollfd wanted{socket.get(), events, 0};
  int ready = 0;
  do {
    ready = ::poll(&wanted, 1, static_cast<int>(within.count()));
  } while (ready < 0 && errno == EINTR);
  require(ready >= 0, "poll");
  return ready > 0;
}

void await_event(const OwnedFd& socket, short events) {
  if (!has_event(socket, events, kPatience)) throw_errno("poll", ETIMEDOUT);
}

void await(const char* what, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      throw_errno(std::string("waiting for ") + what, ETIMEDOUT);
    }
    std::this_thread::sleep_for(kLookAgain);
  }
}

void await_state(const OwnedFd& socket, TcpState state) {
  await(name_of(state), [&] { return state_of(socket) == state; });
}

}  // namespace net::verbs
