// What congestion control and the sysctls of TCP change under load, over loopback: measured in
// pairs, so that "no difference" can be told from "not enough runs". Judged is only what the kernel
// promises; a throughput is only reported (20-congestion-and-sysctls.md).
#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/measure/paired.h"
#include "common/net/sysctl.h"
#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr uint16_t kPort = 8080;
constexpr size_t kTransferBytes = 16U << 20;  // some ms
constexpr size_t kPieceBytes = 256U << 10;
constexpr size_t kPairs = 10;
constexpr const char* kCongestion = "net.ipv4.tcp_congestion_control";
constexpr const char* kAfterIdle = "net.ipv4.tcp_slow_start_after_idle";
constexpr const char* kNotsentLowat = "net.ipv4.tcp_notsent_lowat";
constexpr const char* kWmem = "net.ipv4.tcp_wmem";
constexpr const char* kRmem = "net.ipv4.tcp_rmem";

std::string sysctl_text(const char* name) {
  const auto text = net::read_sysctl(name);
  return text ? *text : std::string();
}

// 0 or errno; ENOENT: this kernel does not have it.
int try_congestion(const OwnedFd& socket, const std::string& name) {
  const auto size = static_cast<socklen_t>(name.size());
  return ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), size) == 0 ? 0
                                                                                         : errno;
}

std::string congestion_of(const OwnedFd& socket) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX
  socklen_t size = name.size();
  if (::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) return "?";
  return name.data();
}

bool has_congestion(const std::string& name) { return try_congestion(tcp_socket(), name) == 0; }

class Sysctls : public Experiment {
 protected:
  using Measurement = std::function<double()>;

  // Bytes a second of one transfer over a connection made now. The sender's congestion control is
  // chosen here, since the machine's may be any.
  static double throughput(const char* congestion, size_t bytes = kTransferBytes) {
    const OwnedFd listener = listen_on(loopback(kPort));
    OwnedFd client = tcp_socket();
    EXPECT_EQ(0, try_congestion(client, congestion));
    EXPECT_EQ(0, try_connect(client, loopback(kPort)));
    const OwnedFd server = accept_from(listener);
    const Stopwatch watch;
    std::thread reader([&server] {
      std::vector<char> buffer(kPieceBytes);
      while (::recv(server.get(), buffer.data(), buffer.size(), 0) > 0) {
      }
    });
    const std::string piece(kPieceBytes, 'x');
    for (size_t sent = 0; sent < bytes; sent += piece.size()) send_all(client, piece);
    send_fin(client);
    reader.join();
    const double seconds = watch.seconds();
    reset_close(client);
    return static_cast<double>(bytes) / seconds;
  }

  // The best of three, so that what else runs on the machine for a moment is not compared.
  static double undisturbed(const char* congestion) {
    double best = 0;
    for (int i = 0; i < 3; ++i) best = std::max(best, throughput(congestion));
    return best;
  }

  // The two in turns, and what is said of a against b.
  static std::string compare(const Measurement& a, const Measurement& b) {
    const std::array<const Measurement*, 2> both = {&a, &b};
    std::vector<measure::Pair> pairs;
    for (size_t round = 0; round < kPairs; ++round) {
      std::array<double, 2> seen{};
      for (const size_t which : measure::abba_order(round, 2)) seen[which] = (*both[which])();
      pairs.push_back({seen[0], seen[1]});
    }
    const auto result = measure::compare(pairs);
    if (!result) throw std::runtime_error(result.error().message());
    const bool differs = result->verdict != measure::Verdict::kUnclear;
    return fmt::format("{:.2f} [{:.2f}, {:.2f}], {} pairs: {}", result->ratio, result->low,
                       result->high, result->pairs,
                       differs ? measure::verdict_name(result->verdict) : "no difference");
  }

  // The throughput with that value of a sysctl.
  static Measurement with(const char* name, const char* text) {
    return [=] {
      set_sysctl(name, text);
      return undisturbed("reno");
    };
  }

  // What one socket takes while nobody reads.
  static tcp_info stuff(const OwnedFd& client) {
    set_nonblocking(client);
    const std::string piece(4096, 'x');
    while (try_send(client, piece) == 0) {
    }
    return info_of(client);
  }
};

class CongestionControl : public Sysctls {};

TEST_F(CongestionControl, the_sysctl_is_for_sockets_made_later) {
  const std::string here = sysctl_text(kCongestion);
  if (here == "reno") SKIP_EXPERIMENT("the machine's is reno already");
  const OwnedFd before = tcp_socket();
  set_sysctl(kCongestion, "reno");
  const OwnedFd after = tcp_socket();
  measured("made before: {}, after: {}", congestion_of(before), congestion_of(after));
  EXPECT_EQ(here, congestion_of(before));
  EXPECT_EQ("reno", congestion_of(after));
}

// tcp_set_default_congestion_control(): others are for the first namespace only.
TEST_F(CongestionControl, a_namespaces_default_is_one_that_the_machine_allows) {
  const std::string allowed = sysctl_text("net.ipv4.tcp_allowed_congestion_control");
  const bool is_allowed = fmt::format(" {} ", allowed).find(" cubic ") != std::string::npos;
  const OwnedFd socket = tcp_socket();
  if (try_congestion(socket, "cubic") != 0) SKIP_EXPERIMENT("this kernel has no cubic");
  const auto status = net::write_sysctl(kCongestion, "cubic");
  measured("allowed: {}; cubic as the default: {}; for one socket: {}", allowed,
           status ? "yes" : net::errno_name(status.error().errno_value), congestion_of(socket));
  EXPECT_EQ(is_allowed, status.has_value());
  EXPECT_EQ("cubic", congestion_of(socket));
}

TEST_F(CongestionControl, an_accepted_socket_has_its_listeners) {
  const std::string here = sysctl_text(kCongestion);
  const std::string other = here == "reno" ? "cubic" : "reno";
  const OwnedFd listener = listen_on(loopback(kPort));
  if (try_congestion(listener, other) != 0) SKIP_EXPERIMENT("this kernel has reno only");
  const Connection connection = open_connection(listener);
  measured("listener {}: accepted {}, the client {}", other, congestion_of(connection.server),
           congestion_of(connection.client));
  EXPECT_EQ(other, congestion_of(connection.server));
  EXPECT_EQ(here, congestion_of(connection.client));
}

TEST_F(CongestionControl, a_fresh_namespace_takes_the_machines_and_not_its_makers) {
  const std::string here = sysctl_text(kCongestion);
  set_sysctl(kCongestion, "reno");
  set_sysctl(kAfterIdle, int64_t{0});
  const auto fresh = net::make_network();
  if (!fresh) SKIP_EXPERIMENT(fresh.error().message());
  const auto [there, after_idle] =
      in(*fresh, [] { return std::pair(sysctl_text(kCongestion), sysctl(kAfterIdle)); });
  measured("changed here from {} to reno and tcp_slow_start_after_idle=0; in a new one {} and {}",
           here, there, after_idle);
  EXPECT_EQ(here, there);
  EXPECT_EQ(1, after_idle);
}

TEST_F(CongestionControl, bbr_against_cubic) {
  for (const char* name : {"bbr", "cubic"}) {
    if (!has_congestion(name)) SKIP_EXPERIMENT(fmt::format("this kernel has no {}", name));
  }
  measured("throughput bbr/cubic {}",
           compare([] { return undisturbed("bbr"); }, [] { return undisturbed("cubic"); }));
}

TEST_F(CongestionControl, reno_against_cubic) {
  if (!has_congestion("cubic")) SKIP_EXPERIMENT("this kernel has no cubic");
  measured("throughput reno/cubic {}",
           compare([] { return undisturbed("reno"); }, [] { return undisturbed("cubic"); }));
}

TEST_F(Sysctls, tcp_notsent_lowat_holds_unsent_bytes_down) {
  const OwnedFd listener = listen_on(loopback(kPort));
  set_sysctl(kNotsentLowat, 65536);
  const Connection limited = open_connection(listener);
  const uint32_t limited_bytes = stuff(limited.client).tcpi_notsent_bytes;
  set_sysctl(kNotsentLowat, 4294967295);
  const Connection open = open_connection(listener);
  const uint32_t open_bytes = stuff(open.client).tcpi_notsent_bytes;
  measured("nobody reads: {} bytes unsent with 65536, {} without a limit", limited_bytes,
           open_bytes);
  EXPECT_GE(65536U + 4096, limited_bytes);
  EXPECT_LT(limited_bytes, open_bytes);
}

TEST_F(Sysctls, tcp_notsent_lowat_and_throughput) {
  measured("throughput 131072/unlimited {}",
           compare(with(kNotsentLowat, "131072"), with(kNotsentLowat, "4294967295")));
}

TEST_F(Sysctls, tcp_wmem_bounds_what_the_buffer_grows_to) {
  const OwnedFd listener = listen_on(loopback(kPort));
  set_sysctl(kWmem, "4096 16384 65536");
  const int fresh = option_of(tcp_socket(), SOL_SOCKET, SO_SNDBUF);
  const Connection small = open_connection(listener);
  stuff(small.client);
  const int small_bytes = option_of(small.client, SOL_SOCKET, SO_SNDBUF);
  set_sysctl(kWmem, "4096 16384 4194304");
  const Connection large = open_connection(listener);
  stuff(large.client);
  const int large_bytes = option_of(large.client, SOL_SOCKET, SO_SNDBUF);
  measured("fresh {}; in use {} with a maximum of 65536, {} with 4194304", fresh, small_bytes,
           large_bytes);
  EXPECT_EQ(16384, fresh);
  EXPECT_GE(65536, small_bytes);
  EXPECT_LT(65536, large_bytes);
}

TEST_F(Sysctls, tcp_wmem_and_throughput) {
  measured("throughput with a maximum of 256 KiB/4 MiB {}",
           compare(with(kWmem, "4096 16384 262144"), with(kWmem, "4096 16384 4194304")));
}

TEST_F(Sysctls, tcp_rmem_and_throughput) {
  measured("throughput with a maximum of 256 KiB/32 MiB {}",
           compare(with(kRmem, "4096 131072 262144"), with(kRmem, "4096 131072 33554432")));
}

TEST_F(Sysctls, tcp_timestamps_and_throughput) {
  measured("throughput without/with timestamps {}",
           compare(with("net.ipv4.tcp_timestamps", "0"), with("net.ipv4.tcp_timestamps", "1")));
}

// A segment on loopback is nearly 64 KiB. Where there is room for one only, the sender waits for an
// acknowledgement that the receiver, expecting more, delays.
TEST_F(Sysctls, a_send_buffer_of_one_segment_waits_for_delayed_acks) {
  constexpr size_t kBytes = 1U << 20;
  set_sysctl(kWmem, "4096 16384 65536");
  struct Transfer {
    double milliseconds;
    uint64_t delayed;
  };
  const auto transfer = [](int mtu) {
    set_mtu("lo", mtu);
    const uint64_t before = counter("TcpExt", "DelayedACKs");
    const double milliseconds = kBytes / throughput("reno", kBytes) * 1e3;
    return Transfer{milliseconds, counter("TcpExt", "DelayedACKs") - before};
  };
  const auto waited = [](const Transfer& one) {  // 40 ms each
    return one.delayed > 0 && one.milliseconds > 10.0 * static_cast<double>(one.delayed);
  };
  // Whether it comes to that depends on how sender and receiver take turns.
  constexpr int kTriesMax = 100;
  Transfer large = transfer(65536);
  for (int i = 1; i < kTriesMax && !waited(large); ++i) large = transfer(65536);
  const Transfer small = transfer(1500);
  measured(
      "1 MiB through a buffer of 64 KiB: MTU 65536 {:.1f} ms, {} delayed ACKs; MTU 1500 "
      "{:.1f} ms, {}",
      large.milliseconds, large.delayed, small.milliseconds, small.delayed);
  EXPECT_TRUE(waited(large));
}

// ---- After a pause ----

// Segments of 1448 bytes, so that a congestion window of many fits into the buffers.
class AfterIdle : public Sysctls {
 protected:
  static constexpr uint32_t kInitialWindow = 10;  // TCP_INIT_CWND, include/net/tcp.h

  // A connection whose window has grown.
  static Connection warm_up(const OwnedFd& listener, const char* congestion) {
    Connection connection;
    connection.client = tcp_socket();
    EXPECT_EQ(0, try_congestion(connection.client, congestion));
    EXPECT_EQ(0, try_connect(connection.client, local_of(listener)));
    connection.server = accept_from(listener);
    for (int i = 0; i < 200 && window_of(connection) < 2 * kInitialWindow; ++i) burst(connection);
    return connection;
  }

  static void burst(const Connection& connection, size_t bytes = 65536) {
    send_all(connection.client, std::string(bytes, 'x'));
    receive_exactly(connection.server, bytes);
  }

  static uint32_t window_of(const Connection& connection) {
    return info_of(connection.client).tcpi_snd_cwnd;
  }

  // Until the window of each would be back at the initial one: it is halved for each RTO that
  // passes. Nothing is announced: the kernel looks when the next byte is sent.
  static void pause(std::initializer_list<const Connection*> connections) {
    double longest_s = 0;
    for (const Connection* connection : connections) {
      const tcp_info info = info_of(connection->client);
      double rto_count = 2;
      for (uint32_t cwnd = info.tcpi_snd_cwnd; cwnd > kInitialWindow; cwnd /= 2) ++rto_count;
      longest_s = std::max(longest_s, rto_count * info.tcpi_rto / 1e6);
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(longest_s));
  }
};

TEST_F(AfterIdle, the_window_falls_back_to_ten_segments) {
  set_mtu("lo", 1500);
  const OwnedFd listener = listen_on(loopback(kPort));
  const Connection falls = warm_up(listener, "reno"), stays = warm_up(listener, "reno");
  const uint32_t falls_from = window_of(falls), stays_from = window_of(stays);
  pause({&falls, &stays});
  set_sysctl(kAfterIdle, 1);
  burst(falls, 1);
  set_sysctl(kAfterIdle, int64_t{0});
  burst(stays, 1);
  measured("with 1: from {} to {} segments; with 0: from {} to {}", falls_from, window_of(falls),
           stays_from, window_of(stays));
  EXPECT_LT(kInitialWindow, falls_from);
  EXPECT_EQ(kInitialWindow, window_of(falls));
  EXPECT_LE(stays_from, window_of(stays));
}

TEST_F(AfterIdle, bbr_does_not_care) {
  if (!has_congestion("bbr")) SKIP_EXPERIMENT("this kernel has no bbr");
  set_mtu("lo", 1500);
  set_sysctl(kAfterIdle, 1);
  const OwnedFd listener = listen_on(loopback(kPort));
  const Connection connection = warm_up(listener, "bbr");
  const uint32_t before = window_of(connection);
  pause({&connection});
  burst(connection, 1);
  measured("from {} to {} segments", before, window_of(connection));
  EXPECT_LT(kInitialWindow, before);
  EXPECT_LT(kInitialWindow, window_of(connection));
}

class AfterIdleSlow : public AfterIdle {};

TEST_F(AfterIdleSlow, slow_start_after_idle_and_the_next_burst) {
  set_mtu("lo", 1500);
  const OwnedFd listener = listen_on(loopback(kPort));
  const Connection connection = warm_up(listener, "reno");
  const auto next_burst = [&](int after_idle) -> Measurement {
    return [&connection, after_idle] {
      set_sysctl(kAfterIdle, int64_t{after_idle});
      pause({&connection});
      const Stopwatch watch;
      burst(connection, 256U << 10);
      return watch.seconds();
    };
  };
  measured("time of 256 KiB after a pause, with 1/0 {}", compare(next_burst(1), next_burst(0)));
}

}  // namespace
}  // namespace notes
