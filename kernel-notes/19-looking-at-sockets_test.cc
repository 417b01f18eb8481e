// Four windows on the same sockets, whether they agree, what only one of them shows, and what a
// look costs (19-looking-at-sockets.md).
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>

#include "common/net/read_file.h"
#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr uint16_t kPort = 8080;
constexpr const char* kProcNetTcp = "/proc/thread-self/net/tcp";

// Of a socket, what all windows show: "127.0.0.1:8080 0.0.0.0:0 LISTEN".
using Facts = std::multiset<std::string>;

std::string fact(const std::string& local, const std::string& remote, TcpState state) {
  return fmt::format("{} {} {}", local, remote, name_of(state));
}

// A line of /proc/net/tcp (Documentation/networking/proc_net_tcp.rst).
struct ProcSocket {
  std::string local, remote;
  TcpState state = TcpState::close;
  unsigned tx_queue = 0, rx_queue = 0;
  unsigned timer = 0;  // 3: a timewait socket's; it goes off in `when` hundredths of a second
  unsigned long when = 0, inode = 0;
  unsigned local_port = 0;
};

std::vector<ProcSocket> proc_sockets() {
  const auto text = net::read_file(kProcNetTcp, 1U << 20);
  if (!text) throw std::runtime_error(text.error().message());
  std::istringstream lines(*text);
  std::vector<ProcSocket> sockets;
  const auto end = [](unsigned ip, unsigned port) {  // the address is printed as a number in memory
    return fmt::format("{}.{}.{}.{}:{}", ip & 255, ip >> 8 & 255, ip >> 16 & 255, ip >> 24, port);
  };
  std::string line;
  std::getline(lines, line);  // the heading
  while (std::getline(lines, line)) {
    ProcSocket seen;
    unsigned local = 0, remote = 0, remote_port = 0, state = 0;
    if (std::sscanf(line.c_str(), " %*d: %x:%x %x:%x %x %x:%x %x:%lx %*x %*d %*d %lu", &local,
                    &seen.local_port, &remote, &remote_port, &state, &seen.tx_queue, &seen.rx_queue,
                    &seen.timer, &seen.when, &seen.inode) != 10) {
      throw std::runtime_error("not a line of /proc/net/tcp: " + line);
    }
    seen.local = end(local, seen.local_port);
    seen.remote = end(remote, remote_port);
    seen.state = static_cast<TcpState>(state);
    sockets.push_back(seen);
  }
  return sockets;
}

ProcSocket proc_socket_at(uint16_t local_port, TcpState state) {
  for (const ProcSocket& seen : proc_sockets()) {
    if (seen.local_port == local_port && seen.state == state) return seen;
  }
  throw std::runtime_error("no such socket in /proc/net/tcp");
}

Facts facts_of_proc() {
  Facts facts;
  for (const ProcSocket& seen : proc_sockets()) {
    facts.insert(fact(seen.local, seen.remote, seen.state));
  }
  return facts;
}

Facts facts_of_sock_diag() {
  Facts facts;
  for (const auto& seen : all_sockets()) {
    facts.insert(fact(seen.local.text(), seen.remote.text(), seen.state));
  }
  return facts;
}

// What a command prints, line by line.
std::vector<std::string> lines_of(const std::string& command) {
  FILE* pipe = ::popen(("LC_ALL=C " + command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return {};
  std::vector<std::string> lines;
  char line[4096];
  while (std::fgets(line, sizeof line, pipe) != nullptr) lines.emplace_back(line);
  ::pclose(pipe);
  return lines;
}

bool is_installed(const char* tool) {
  return !lines_of(fmt::format("command -v {}", tool)).empty();
}

// ss(8) and netstat(8) print a socket a line, with these columns among others.
Facts facts_of_tool(const std::string& command, size_t state_column, size_t local_column) {
  static const std::map<std::string, std::string> kKernelsNames = {{"ESTAB", "ESTABLISHED"},
                                                                   {"TIME-WAIT", "TIME_WAIT"},
                                                                   {"FIN-WAIT-2", "FIN_WAIT2"},
                                                                   {"CLOSE-WAIT", "CLOSE_WAIT"},
                                                                   {"0.0.0.0:*", "0.0.0.0:0"}};
  Facts facts;
  for (const std::string& line : lines_of(command)) {
    std::istringstream words(line);
    std::vector<std::string> columns;
    for (std::string word; words >> word;) {
      const auto found = kKernelsNames.find(word);
      columns.push_back(found == kKernelsNames.end() ? word : found->second);
    }
    if (line.find(':') == std::string::npos || columns.size() < 5) continue;  // a heading
    facts.insert(fmt::format("{} {} {}", columns.at(local_column), columns.at(local_column + 1),
                             columns.at(state_column)));
  }
  return facts;
}

class LookingAtSockets : public Experiment {
 protected:
  // One of each kind: a listener, both ends of a living connection and of a half-closed one, and
  // the rest of a closed one.
  void make_some_of_each() {
    listener_ = listen_on(loopback(kPort), {.backlog = 4096});
    living_ = open_connection(listener_);
    half_closed_ = open_connection(listener_);
    send_fin(half_closed_.client);
    receive_until_end(half_closed_.server);
    await_state(half_closed_.client, TcpState::fin_wait2);
    time_wait_port_ = leave_time_wait(listener_);
    await("the last ACK", [] { return all_sockets().size() == 6; });
  }

  OwnedFd listener_;
  Connection living_, half_closed_;
  uint16_t time_wait_port_ = 0;
};

TEST_F(LookingAtSockets, proc_and_sock_diag_agree) {
  make_some_of_each();
  const Facts proc = facts_of_proc(), diag = facts_of_sock_diag();
  measured("{} sockets in both: {}", diag.size(), proc == diag ? "the same" : "they differ");
  EXPECT_EQ(6U, diag.size());
  EXPECT_EQ(diag, proc);
}

TEST_F(LookingAtSockets, ss_shows_the_same) {
  if (!is_installed("ss")) SKIP_EXPERIMENT("ss is not installed");
  make_some_of_each();
  const Facts shown = facts_of_tool("ss -Htan", 0, 3);
  measured("ss -Htan: {} sockets", shown.size());
  EXPECT_EQ(facts_of_sock_diag(), shown);
}

TEST_F(LookingAtSockets, netstat_shows_the_same) {
  if (!is_installed("netstat")) SKIP_EXPERIMENT("netstat is not installed");
  make_some_of_each();
  const Facts shown = facts_of_tool("netstat -tan", 5, 3);
  measured("netstat -tan: {} sockets", shown.size());
  EXPECT_EQ(facts_of_sock_diag(), shown);
}

// It goes from processes to their descriptors; what is no descriptor it does not see.
TEST_F(LookingAtSockets, lsof_shows_those_that_a_process_has) {
  if (!is_installed("lsof")) SKIP_EXPERIMENT("lsof is not installed");
  make_some_of_each();
  const auto lines = lines_of(fmt::format("lsof -nP -a -p {} -iTCP -Ftn", ::getpid()));
  const auto names = std::count_if(lines.begin(), lines.end(),
                                   [](const std::string& line) { return line[0] == 'n'; });
  measured("lsof: {} of {} sockets, all but TIME_WAIT", names, all_sockets().size());
  EXPECT_EQ(5, names);
}

TEST_F(LookingAtSockets, an_inode_leads_to_a_process_and_time_wait_has_none) {
  make_some_of_each();
  struct stat status {};
  ASSERT_EQ(0, ::fstat(living_.client.get(), &status));
  const auto shown = proc_socket_at(local_of(living_.client).port(), TcpState::established).inode;
  const auto waiting = proc_socket_at(time_wait_port_, TcpState::time_wait).inode;
  measured("inode {} in /proc/net/tcp, {} by fstat; of the socket in TIME_WAIT {}", shown,
           status.st_ino, waiting);
  EXPECT_EQ(status.st_ino, shown);
  EXPECT_EQ(0U, waiting);
}

TEST_F(LookingAtSockets, the_queues_are_those_the_program_sees) {
  make_some_of_each();
  send_all(living_.client, "thirteen char");
  await_event(living_.server, POLLIN);
  int unread = 0;
  ASSERT_EQ(0, ::ioctl(living_.server.get(), FIONREAD, &unread));
  const auto reading = proc_socket_at(kPort, TcpState::established);
  const OwnedFd waiting = connect_to(loopback(kPort));
  await("the queue", [&] { return info_of(listener_).tcpi_unacked == 1; });
  const auto listening = proc_socket_at(kPort, TcpState::listen);
  measured("rx_queue: {} bytes unread, FIONREAD {}; of the listener: {} waiting", reading.rx_queue,
           unread, listening.rx_queue);
  EXPECT_EQ(13U, reading.rx_queue);
  EXPECT_EQ(13, unread);
  EXPECT_EQ(1U, listening.rx_queue);
}

TEST_F(LookingAtSockets, both_tell_how_long_time_wait_goes_on) {
  make_some_of_each();
  const uint32_t diag_ms = sockets_at(time_wait_port_).at(0).expires_in_ms.value_or(0);
  const auto seen = proc_socket_at(time_wait_port_, TcpState::time_wait);
  measured("sock_diag {} ms, /proc/net/tcp timer {} in {} ms", diag_ms, seen.timer, seen.when * 10);
  EXPECT_EQ(3U, seen.timer);
  EXPECT_NEAR(diag_ms, 10.0 * static_cast<double>(seen.when), 2000);
  EXPECT_LT(50'000U, diag_ms);
}

// An orphan in FIN_WAIT2 is kept by the same timer, and its time can be made short.
TEST_F(LookingAtSockets, the_time_to_the_next_free_port_is_known) {
  set_sysctl("net.ipv4.tcp_fin_timeout", 1);
  set_sysctl("net.ipv4.ip_local_port_range", "40000 40000");
  const OwnedFd listener = listen_on(loopback(kPort));
  Connection connection = open_connection(listener);
  connection.client.reset();
  await("FIN_WAIT2", [] { return states_of(40000) == std::vector{TcpState::fin_wait2}; });
  const auto seen = sockets_at(40000);
  const Stopwatch watch;
  const double announced_ms = seen.at(0).expires_in_ms.value_or(0);
  await("a free port", [&] { return try_connect(tcp_socket(), local_of(listener)) == 0; });
  const double free_ms = watch.milliseconds();
  measured("announced {:.0f} ms, free after {:.0f} ms", announced_ms, free_ms);
  EXPECT_LT(0, announced_ms);
  EXPECT_LE(announced_ms - 50, free_ms);
}

TEST_F(LookingAtSockets, the_packets_tell_the_same_as_tcp_info) {
  auto& packets = capture();
  const OwnedFd listener = listen_on(loopback(kPort));
  const Connection connection = open_connection(listener);
  send_all(connection.client, "what the client says");
  receive_exactly(connection.server, 20);
  const uint16_t port = local_of(connection.client).port();
  await("the acknowledgement", [&] { return info_of(connection.client).tcpi_bytes_acked == 21; });
  size_t bytes = 0, with_data = 0;
  for (const Segment& segment : packets.segments_from(port)) {
    bytes += segment.data.size();
    with_data += segment.data.empty() ? 0 : 1;
  }
  measured("captured from port {}: {} bytes in {} segments; TCP_INFO: {} sent in {}", port, bytes,
           with_data, info_of(connection.client).tcpi_bytes_sent,
           count_segments(connection.client));
  EXPECT_EQ(info_of(connection.client).tcpi_bytes_sent, bytes);
  EXPECT_EQ(count_segments(connection.client), with_data);
}

// tcpdump that believes it is root wants to become somebody else, which a namespace with one user
// forbids; in one without any it is nobody from the start.
TEST_F(LookingAtSockets, tcpdump_reads_what_was_captured) {
  auto& packets = capture();
  leave_time_wait(listen_on(loopback(kPort)));
  await("the last ACK", [] { return gauge("TCP", "tw") == 1 && all_sockets().size() == 1; });
  const std::string path = testing::TempDir() + fmt::format("looking.{}.pcap", ::getpid());
  packets.save(path);
  const size_t saved = packets.packets().size();
  const auto lines = lines_of("unshare --user tcpdump -nn -r - < " + path);
  ::unlink(path.c_str());
  if (lines.empty()) SKIP_EXPERIMENT("tcpdump, or unshare(1) to run it in, is not to be had");
  measured("{} packets saved, {} lines of tcpdump", saved, lines.size());
  EXPECT_EQ(saved, lines.size());
}

TEST_F(LookingAtSockets, a_refused_connection_is_seen_in_packets_and_counters_only) {
  auto& packets = capture();
  const uint64_t resets_before = counter("Tcp", "OutRsts");
  const OwnedFd client = tcp_socket();
  const int error = try_connect(client, loopback(kPort));
  await("two packets", [&] { return packets.segments().size() >= 2; });
  const auto segments = packets.segments();
  const uint64_t resets = counter("Tcp", "OutRsts") - resets_before;
  measured("{}; packets {} and {}; OutRsts +{}; sockets at the port: {}", net::errno_name(error),
           segments[0].flags(), segments[1].flags(), resets, sockets_at(kPort).size());
  EXPECT_EQ(ECONNREFUSED, error);
  EXPECT_TRUE(segments[1].rst);
  EXPECT_EQ(1U, resets);
  EXPECT_TRUE(sockets_at(kPort).empty());
}

TEST_F(LookingAtSockets, in_a_fresh_namespace_sockstat_tells_the_hosts_memory) {
  const auto other = net::make_network();
  if (!other) SKIP_EXPERIMENT(other.error().message());
  const auto counts = [] {
    return std::pair(static_cast<int>(gauge("TCP", "alloc")),
                     static_cast<int>(gauge("TCP", "orphan")));
  };
  const auto [alloc, orphans] = counts();
  std::vector<OwnedFd> sockets;
  in(*other, [&] {
    const OwnedFd listener = listen_on(loopback(kPort));
    for (int i = 0; i < 100; ++i) {
      sockets.push_back(open_connection(listener).server);  // FIN_WAIT2 at the client: not counted
      Connection connection = open_connection(listener);
      deafen(connection.server);  // its FIN stays unanswered: an orphan in FIN_WAIT1
      sockets.push_back(std::move(connection.server));
    }
  });
  const auto [alloc_now, orphans_now] = counts();
  measured("elsewhere 200 sockets and 100 orphans; here alloc {:+}, orphan {:+}, inuse {}",
           alloc_now - alloc, orphans_now - orphans, gauge("TCP", "inuse"));
  EXPECT_LT(100, alloc_now - alloc);  // others may close some of theirs meanwhile
  EXPECT_LT(50, orphans_now - orphans);
  EXPECT_EQ(0U, gauge("TCP", "inuse"));
}

// ---- What a look costs ----

class CostOfLooking : public Experiment {
 protected:
  static constexpr int kLooks = 5;
  static constexpr double kFillSecondsMax = 50;        // then the first ones end: they wait 60 s
  static constexpr unsigned kPerDestination = 10'000;  // below half of the ports: note 07

  // That many in TIME_WAIT at the clients' side, and the listener.
  void fill(unsigned count) {
    set_sysctl("net.ipv4.tcp_max_tw_buckets", 200'000);
    set_sysctl("net.ipv4.tcp_tw_reuse", 0);
    listener_ = listen_on(at(fmt::format("0.0.0.0:{}", kPort)));
    for (unsigned i = 0; i < count; ++i) {
      OwnedFd client = connect_to(at(fmt::format("127.0.0.{}:{}", 1 + i / kPerDestination, kPort)));
      OwnedFd server = accept_from(listener_);
      active_close(client, server);
    }
  }

  // The fastest of a few looks, in ms, and what the last one saw.
  template <typename Look>
  static std::pair<double, size_t> cost_of(Look look) {
    double best_ms = 1e9;
    size_t seen = 0;
    for (int i = 0; i < kLooks; ++i) {
      const Stopwatch watch;
      seen = look();
      best_ms = std::min(best_ms, watch.milliseconds());
    }
    return {best_ms, seen};
  }

  static size_t look_by_proc() {
    const OwnedFd file(::open(kProcNetTcp, O_RDONLY | O_CLOEXEC));
    std::array<char, 65536> part;
    ssize_t lines = 0, bytes = 0;
    while ((bytes = ::read(file.get(), part.data(), part.size())) > 0) {
      lines += std::count(part.data(), part.data() + bytes, '\n');
    }
    return static_cast<size_t>(lines) - 1;  // without the heading
  }

  static size_t look_by_sock_diag(const net::SocketFilter& filter = {}) {
    auto diag = net::SockDiag::open();
    if (!diag) throw std::runtime_error(diag.error().message());
    size_t seen = 0;
    const auto status = (*diag)->dump(AF_INET, filter, [&](const net::SeenSocket&) { ++seen; });
    if (!status) throw std::runtime_error(status.error().message());
    return seen;
  }

  void compare_with(unsigned sockets) {
    const Stopwatch watch;
    fill(sockets);
    if (watch.seconds() > kFillSecondsMax) SKIP_EXPERIMENT("making the sockets took too long");
    const auto [proc_ms, in_proc] = cost_of(look_by_proc);
    const auto [diag_ms, in_diag] = cost_of([] { return look_by_sock_diag(); });
    const auto [filtered_ms, filtered] =
        cost_of([] { return look_by_sock_diag({.states = mask_of(TcpState::listen)}); });
    const auto [gauge_ms, waiting] = cost_of([] { return gauge("TCP", "tw"); });
    measured(
        "/proc/net/tcp {:.1f} ms, sock_diag {:.1f} ms (ratio {:.1f}), listeners only {:.2f} "
        "ms, sockstat {:.2f} ms",
        proc_ms, diag_ms, proc_ms / diag_ms, filtered_ms, gauge_ms);
    EXPECT_EQ(sockets + 1, in_proc);
    EXPECT_EQ(sockets + 1, in_diag);
    EXPECT_EQ(1U, filtered);
    EXPECT_EQ(sockets, waiting);
  }

  OwnedFd listener_;
};

TEST_F(CostOfLooking, with_no_connection) { compare_with(0); }
TEST_F(CostOfLooking, with_2000_in_time_wait) { compare_with(2'000); }

class CostOfLookingSlow : public CostOfLooking {};

TEST_F(CostOfLookingSlow, with_28000_in_time_wait) { compare_with(28'000); }
TEST_F(CostOfLookingSlow, with_100000_in_time_wait) { compare_with(100'000); }

}  // namespace
}  // namespace notes
