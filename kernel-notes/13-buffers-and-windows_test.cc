// How much a connection holds on its way: buffers, the two windows, and who may write when
// (13-buffers-and-windows.md).
#include <linux/sock_diag.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr size_t kMss = 1448;  // MTU 1500, time stamps

int send_buffer_of(const OwnedFd& socket) { return option_of(socket, SOL_SOCKET, SO_SNDBUF); }
int receive_buffer_of(const OwnedFd& socket) { return option_of(socket, SOL_SOCKET, SO_RCVBUF); }

bool is_writable(const OwnedFd& socket) {
  return has_event(socket, POLLOUT, std::chrono::milliseconds(0));
}

// The memory of all packets in the send buffer, which is what SO_SNDBUF limits.
uint32_t memory_queued_at(const OwnedFd& socket) {
  std::array<uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  EXPECT_EQ(0, ::getsockopt(socket.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &size));
  return memory[SK_MEMINFO_WMEM_QUEUED];
}

void drain(const OwnedFd& socket) {
  while (unread_bytes(socket) > 0) receive_some(socket);
}

// Bytes from one end to the other: the writer writes what it may, then the reader reads all.
void pump(const Connection& connection, size_t bytes) {
  for (size_t written = 0; written < bytes;) {
    await_event(connection.client, POLLOUT);
    written += fill_send_buffer(connection.client);
    drain(connection.server);
  }
}

// Over `lo` as if it were Ethernet, so that segments are small beside buffers.
class Buffers : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    set_mtu("lo", 1500);
    set_sysctl("net.ipv4.tcp_congestion_control", "reno");
    listener_ = listen_on(loopback());
  }
  Connection connect(int receive_buffer = 0) {
    if (receive_buffer > 0) set_option(listener_, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    return open_connection(listener_);
  }
  // The window field of a segment from that socket, as the peer must understand it.
  static size_t window_of(const Segment& segment, const OwnedFd& from) {
    return size_t{segment.window} << info_of(from).tcpi_rcv_wscale;
  }

  OwnedFd listener_;
};
class Windows : public Buffers {};
class WindowsSlow : public Buffers {};

// ---- Buffers ----

TEST_F(Buffers, so_sndbuf_and_so_rcvbuf_are_doubled) {
  const OwnedFd socket = tcp_socket();
  set_option(socket, SOL_SOCKET, SO_SNDBUF, 65536);
  set_option(socket, SOL_SOCKET, SO_RCVBUF, 65536);
  measured("SO_SNDBUF 65536 reads {}, SO_RCVBUF {}", send_buffer_of(socket),
           receive_buffer_of(socket));
  EXPECT_EQ(131072, send_buffer_of(socket));
  EXPECT_EQ(131072, receive_buffer_of(socket));
}

TEST_F(Buffers, they_are_cut_and_raised_without_a_word) {
  const OwnedFd socket = tcp_socket();
  set_option(socket, SOL_SOCKET, SO_SNDBUF, 1);
  const int smallest = send_buffer_of(socket);
  set_option(socket, SOL_SOCKET, SO_SNDBUF, 1 << 30);
  const int64_t wmem_max = sysctl("net.core.wmem_max");
  measured("1 becomes {}, 1 GiB becomes {} (wmem_max {})", smallest, send_buffer_of(socket),
           wmem_max);
  EXPECT_LT(1000, smallest);
  EXPECT_EQ(2 * wmem_max, send_buffer_of(socket));
}

TEST_F(Buffers, the_send_buffer_grows_to_tcp_wmem) {
  set_sysctl("net.ipv4.tcp_wmem", "4096 16384 1048576");
  const Connection connection = connect();
  const int at_first = send_buffer_of(connection.client);
  int largest = 0;
  for (int i = 0; i < 50 && largest < 1048576; ++i) {
    pump(connection, 1 << 20);
    largest = std::max(largest, send_buffer_of(connection.client));
  }
  measured("{} before connect(), {} after it, {} in use, tcp_wmem[2] 1048576",
           send_buffer_of(tcp_socket()), at_first, largest);
  EXPECT_EQ(16384, send_buffer_of(tcp_socket()));
  EXPECT_LT(16384, at_first);
  EXPECT_LT(at_first, largest);
  EXPECT_GE(1048576, largest);
}

TEST_F(Buffers, the_receive_buffer_grows_with_what_is_read) {
  set_sysctl("net.ipv4.tcp_rmem", "4096 131072 4194304");
  const Connection connection = connect();
  const int at_first = receive_buffer_of(connection.server);
  int largest = 0;
  for (int i = 0; i < 50 && largest <= at_first; ++i) {
    pump(connection, 1 << 20);
    largest = receive_buffer_of(connection.server);
  }
  measured("{} at first, {} in use, tcp_rmem[2] 4194304", at_first, largest);
  EXPECT_EQ(131072, at_first);
  EXPECT_LT(at_first, largest);
  EXPECT_GE(4194304, largest);
}

TEST_F(Buffers, setting_a_size_turns_growing_off) {
  const Connection connection = connect(65536);
  set_option(connection.client, SOL_SOCKET, SO_SNDBUF, 65536);
  pump(connection, 20 << 20);
  measured("after 20 MiB: send buffer {}, receive buffer {}", send_buffer_of(connection.client),
           receive_buffer_of(connection.server));
  EXPECT_EQ(131072, send_buffer_of(connection.client));
  EXPECT_EQ(131072, receive_buffer_of(connection.server));
}

// Nobody reads: what send() took fills two buffers, and a blocking one would wait.
TEST_F(Buffers, send_takes_what_two_buffers_hold_although_nobody_reads) {
  const Connection connection = connect(65536);
  set_option(connection.client, SOL_SOCKET, SO_SNDBUF, 65536);
  const size_t taken = fill_send_buffer(connection.client);
  await("the last segment", [&] {
    return unread_bytes(connection.server) + info_of(connection.client).tcpi_notsent_bytes == taken;
  });
  measured("{} bytes taken: {} unread at the receiver, {} never sent; buffers 131072 each", taken,
           unread_bytes(connection.server), info_of(connection.client).tcpi_notsent_bytes);
  EXPECT_LT(65536U, taken);
  EXPECT_GT(2 * 131072U, taken);
}

TEST_F(Buffers, a_blocking_send_returns_when_the_rest_fits) {
  constexpr size_t kBytes = 2 << 20;
  const Connection connection = connect(32768);
  set_option(connection.client, SOL_SOCKET, SO_SNDBUF, 32768);
  std::atomic<bool> returned = false;
  std::thread writer([&] {
    EXPECT_EQ(0, try_send(connection.client, std::string(kBytes, 'x')));
    returned = true;
  });
  size_t read = 0;
  while (!returned && read < kBytes) read += receive_some(connection.server, 4096).size();
  const size_t read_by_then = read;
  writer.join();
  measured("send() of {} bytes returns after the reader has had {}; buffers {} and {}", kBytes,
           read_by_then, send_buffer_of(connection.client), receive_buffer_of(connection.server));
  EXPECT_LE(kBytes - 2 * 65536, read_by_then);
}

TEST_F(Buffers, it_is_writable_again_when_a_third_is_free) {
  const Connection connection = connect(65536);
  set_option(connection.client, SOL_SOCKET, SO_SNDBUF, 262144);
  fill_send_buffer(connection.client);
  const auto size = static_cast<uint32_t>(send_buffer_of(connection.client));
  uint32_t full = memory_queued_at(connection.client), queued = full;
  await("room", [&] {
    queued = memory_queued_at(connection.client);
    if (is_writable(connection.client)) return true;
    if (unread_bytes(connection.server) > 0) receive_some(connection.server, 2048);
    return false;
  });
  const uint32_t left = memory_queued_at(connection.client);
  measured("POLLOUT goes at {} %, comes back at {} % of the buffer", full * 100 / size,
           left * 100 / size);
  EXPECT_LE(left, size / 3 * 2);
  EXPECT_GE(full, size / 3 * 2);
}

// ringload waits for large bodies so, to be woken once for much.
TEST_F(Buffers, so_rcvlowat_holds_pollin_back) {
  const Connection connection = connect();
  set_option(connection.server, SOL_SOCKET, SO_RCVLOWAT, 10'000);
  send_all(connection.client, std::string(9'999, 'x'));
  await("the bytes", [&] { return unread_bytes(connection.server) == 9'999; });
  const bool early = has_event(connection.server, POLLIN, std::chrono::milliseconds(0));
  send_all(connection.client, "x");
  await_event(connection.server, POLLIN);
  measured("SO_RCVLOWAT 10000: POLLIN with 9999 bytes: {}, with 10000: true", early);
  EXPECT_FALSE(early);
}

TEST_F(Buffers, notsent_lowat_limits_what_waits_unsent) {
  const Connection plain = connect(), limited = connect();
  for (const Connection* connection : {&plain, &limited}) {
    set_option(connection->client, SOL_SOCKET, SO_SNDBUF, 1 << 20);
  }
  set_option(limited.client, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384);
  fill_send_buffer(plain.client);
  fill_send_buffer(limited.client);
  const uint32_t unlimited_bytes = info_of(plain.client).tcpi_notsent_bytes;
  const uint32_t limited_bytes = info_of(limited.client).tcpi_notsent_bytes;
  measured("unsent when send() says EAGAIN: {} bytes, with TCP_NOTSENT_LOWAT 16384: {}",
           unlimited_bytes, limited_bytes);
  EXPECT_LT(500'000U, unlimited_bytes);
  EXPECT_GT(16384U + 65536U, limited_bytes);  // a send() that has begun may go over by its packet
}

TEST_F(Buffers, notsent_lowat_moves_pollout) {
  set_sysctl("net.ipv4.tcp_notsent_lowat", 16384);
  const Connection connection = connect();
  set_option(connection.client, SOL_SOCKET, SO_SNDBUF, 1 << 20);
  fill_send_buffer(connection.client);
  const uint32_t memory = memory_queued_at(connection.client);
  const bool before = is_writable(connection.client);
  set_option(connection.client, IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1);  // no limit: UINT_MAX
  const bool after = is_writable(connection.client);
  measured("{} of {} bytes of the buffer used, POLLOUT: {}; without the limit: {}", memory,
           send_buffer_of(connection.client), before, after);
  EXPECT_GT(send_buffer_of(connection.client) / 3 * 2, static_cast<int>(memory));
  EXPECT_FALSE(before);
  EXPECT_TRUE(after);
}

// ---- Windows ----

TEST_F(Windows, a_full_receive_buffer_closes_the_window) {
  net::Capture& packets = capture();
  const Connection connection = connect(16384);
  const uint16_t server_port = local_of(listener_).port();
  fill_send_buffer(connection.client);
  await("a window of 0", [&] { return packets.segments_from(server_port).back().window == 0; });
  const size_t unread = unread_bytes(connection.server);
  const size_t first = window_of(packets.segments_from(server_port).front(), connection.server);
  drain(connection.server);
  await("an open window", [&] { return packets.segments_from(server_port).back().window > 0; });
  measured("first window {}, 0 with {} bytes unread in a buffer of {}; open again once read", first,
           unread, receive_buffer_of(connection.server));
  EXPECT_LT(1000U, unread);
  EXPECT_LE(1U, counter("TcpExt", "TCPToZeroWindowAdv"));
  EXPECT_LE(1U, counter("TcpExt", "TCPFromZeroWindowAdv"));
}

TEST_F(Windows, a_closed_window_is_probed) {
  const Connection connection = connect(16384);
  fill_send_buffer(connection.client);
  await("a probe", [] { return counter("TcpExt", "TCPWinProbe") > 0; });
  const tcp_info info = info_of(connection.client);
  measured("the sender asks again by itself: TCPWinProbe 1, rto {} ms, {}", info.tcpi_rto / 1000,
           name_of(state_of(connection.client)));
  EXPECT_EQ(TcpState::established, state_of(connection.client));
}

TEST_F(Windows, the_scale_is_fixed_by_what_the_buffer_may_become) {
  net::Capture& packets = capture();
  const OwnedFd plain = connect_to(local_of(listener_));
  OwnedFd small = tcp_socket();
  set_option(small, SOL_SOCKET, SO_RCVBUF, 16384);
  EXPECT_EQ(0, try_connect(small, local_of(listener_)));
  set_option(small, SOL_SOCKET, SO_RCVBUF, 1 << 20);  // too late for the scale
  const auto syn_of = [&](const OwnedFd& socket) {
    return packets.segments_from(local_of(socket).port()).front();
  };
  measured("SYN: scale {}, window {}; with SO_RCVBUF 16384 before connect(): scale {}, window {}",
           syn_of(plain).window_scale.value_or(0), syn_of(plain).window,
           syn_of(small).window_scale.value_or(0), syn_of(small).window);
  EXPECT_LE(7, syn_of(plain).window_scale.value_or(0));  // tcp_rmem[2] is 4 MiB at least
  EXPECT_EQ(0, syn_of(small).window_scale.value_or(0));
  EXPECT_EQ(0, info_of(small).tcpi_rcv_wscale);
}

TEST_F(Windows, the_initial_congestion_window_is_ten_segments) {
  const Connection connection = connect();
  set_option(connection.server, SOL_SOCKET, SO_SNDBUF, 131072);
  deafen(connection.server);  // no acknowledgement of what it sends reaches it
  send_all(connection.server, std::string(60'000, 'x'));
  const tcp_info info = info_of(connection.server);
  measured("cwnd {}, of 60000 bytes {} segments of {} are under way, {} bytes wait",
           info.tcpi_snd_cwnd, info.tcpi_unacked, info.tcpi_snd_mss, info.tcpi_notsent_bytes);
  EXPECT_EQ(10U, info.tcpi_snd_cwnd);
  EXPECT_EQ(10U, info.tcpi_unacked);
  EXPECT_EQ(60'000 - 10 * kMss, info.tcpi_notsent_bytes);
}

TEST_F(Windows, slow_start_doubles_with_each_window_acknowledged) {
  const Connection connection = connect();
  std::string windows = "10";
  uint32_t expected = 10;
  for (int i = 0; i < 3; ++i, expected *= 2) {
    EXPECT_EQ(expected, info_of(connection.client).tcpi_snd_cwnd);
    send_all(connection.client, std::string(expected * kMss, 'x'));
    receive_exactly(connection.server, expected * kMss);
    await("acknowledgements", [&] { return info_of(connection.client).tcpi_unacked == 0; });
    windows += fmt::format(", {}", info_of(connection.client).tcpi_snd_cwnd);
  }
  measured("cwnd {} segments", windows);
  EXPECT_EQ(80U, info_of(connection.client).tcpi_snd_cwnd);
}

// The other window: with room in cwnd, what the receiver offered is the limit.
TEST_F(Windows, the_smaller_window_rules) {
  net::Capture& packets = capture();
  OwnedFd client = tcp_socket();
  set_option(client, SOL_SOCKET, SO_RCVBUF, 8192);
  EXPECT_EQ(0, try_connect(client, local_of(listener_)));
  const OwnedFd server = accept_from(listener_);
  set_option(server, SOL_SOCKET, SO_SNDBUF, 131072);
  deafen(server);
  send_all(server, std::string(60'000, 'x'));
  const tcp_info info = info_of(server);
  const size_t in_flight = 60'000 - info.tcpi_notsent_bytes;
  // By the last segment of the handshake; those that follow offer less, since nobody reads.
  const size_t offered = window_of(packets.segments_from(local_of(client).port()).at(1), client);
  measured("offered {} bytes, cwnd {} segments of {}: {} bytes under way", offered,
           info.tcpi_snd_cwnd, info.tcpi_snd_mss, in_flight);
  EXPECT_LT(0U, in_flight);
  EXPECT_GE(offered, in_flight);
  EXPECT_GT(10 * kMss, in_flight);
}

// Unanswered, retransmissions end a connection after tcp_retries2; probes are answered, and the
// sysctl only says how often their interval is doubled (tcp_send_probe0()).
TEST_F(WindowsSlow, probes_come_more_rarely_and_never_give_up) {
  set_sysctl("net.ipv4.tcp_retries2", 3);
  const Connection connection = connect(16384);
  fill_send_buffer(connection.client);
  const Stopwatch watch;
  std::vector<double> times;
  std::string found;
  while (times.size() < 6) {
    const size_t next = times.size() + 1;
    await("a probe", [&] { return counter("TcpExt", "TCPWinProbe") >= next; });
    times.push_back(watch.seconds());
    found += fmt::format("{}{:.1f}", times.size() == 1 ? "" : ", ", times.back());
  }
  measured("probes after {} s; with tcp_retries2 = 3 the connection is still {}", found,
           name_of(state_of(connection.client)));
  for (size_t i = 2; i < 4; ++i) {
    EXPECT_LT((times[i - 1] - times[i - 2]) * 1.5, times[i] - times[i - 1]) << i;
  }
  EXPECT_EQ(TcpState::established, state_of(connection.client));
}

}  // namespace
}  // namespace notes
