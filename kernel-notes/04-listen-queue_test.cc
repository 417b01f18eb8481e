// The queues of a listening socket: how many connections wait, who shortens them, and what becomes
// of those that find them full (04-listen-queue.md).
#include <algorithm>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr int kBacklog = 4;
constexpr std::chrono::milliseconds kSoon{100};  // an answer over loopback takes microseconds

// Of a listener, TCP_INFO shows the queue: how many wait, and how many may (tcp_get_info()).
uint32_t waiting_at(const OwnedFd& listener) { return info_of(listener).tcpi_unacked; }
uint32_t limit_of(const OwnedFd& listener) { return info_of(listener).tcpi_sacked; }

size_t half_open_at(const OwnedFd& listener) {
  const auto states = states_of(local_of(listener).port());
  return static_cast<size_t>(std::count(states.begin(), states.end(), TcpState::syn_recv));
}

OwnedFd begin_to_connect(const Address& to, bool deaf = false) {
  OwnedFd socket = tcp_socket();
  set_nonblocking(socket);
  if (deaf) deafen(socket);
  EXPECT_EQ(EINPROGRESS, try_connect(socket, to));
  return socket;
}

bool is_answered(const OwnedFd& client) { return has_event(client, POLLOUT, kSoon); }

class ListenQueue : public Experiment {
 protected:
  // Connects until a client is not answered; nobody accepts.
  void fill(const OwnedFd& listener) {
    do {
      clients_.push_back(begin_to_connect(local_of(listener)));
      ASSERT_LE(clients_.size(), 1000U);
    } while (is_answered(clients_.back()));
    clients_.pop_back();
  }

  // A client whose SYN finds room, and whose last ACK finds the queue full: it does not hear the
  // SYN-ACK until then.
  OwnedFd come_late(const OwnedFd& listener) {
    OwnedFd late = begin_to_connect(local_of(listener), true);
    await("a half-open connection", [&] { return half_open_at(listener) == 1; });
    fill(listener);
    hear_again(late);
    return late;
  }

  static uint64_t overflows() { return counter("TcpExt", "ListenOverflows"); }
  static uint64_t drops() { return counter("TcpExt", "ListenDrops"); }

  std::vector<OwnedFd> clients_;
};

TEST_F(ListenQueue, holds_backlog_plus_one) {
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  fill(listener);
  measured("{} connections wait with listen({})", waiting_at(listener), kBacklog);
  EXPECT_EQ(kBacklog + 1U, waiting_at(listener));
  EXPECT_EQ(kBacklog + 1U, clients_.size());
}

TEST_F(ListenQueue, somaxconn_caps_listen_silently) {
  set_sysctl("net.core.somaxconn", 2);
  const OwnedFd socket = tcp_socket();
  bind_to(socket, loopback());
  const int error = try_listen(socket, 1000);
  fill(socket);
  measured("listen(1000) returns {}, limit {}, {} wait", error, limit_of(socket),
           waiting_at(socket));
  EXPECT_EQ(0, error);
  EXPECT_EQ(2U, limit_of(socket));
  EXPECT_EQ(3U, waiting_at(socket));
}

TEST_F(ListenQueue, somaxconn_is_read_by_listen_and_not_later) {
  set_sysctl("net.core.somaxconn", 2);
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  set_sysctl("net.core.somaxconn", 4096);
  const uint32_t before = limit_of(listener);
  EXPECT_EQ(0, try_listen(listener, kBacklog));
  measured("limit {} after the sysctl was raised, {} after listen({}) again", before,
           limit_of(listener), kBacklog);
  EXPECT_EQ(2U, before);
  EXPECT_EQ(static_cast<uint32_t>(kBacklog), limit_of(listener));
}

TEST_F(ListenQueue, a_syn_that_finds_it_full_is_dropped_and_counted) {
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  fill(listener);
  const uint64_t overflows_before = overflows(), drops_before = drops();
  const OwnedFd client = begin_to_connect(local_of(listener));
  const bool answered = is_answered(client);
  measured("client in {}, ListenOverflows +{}, ListenDrops +{}", name_of(state_of(client)),
           overflows() - overflows_before, drops() - drops_before);
  EXPECT_FALSE(answered);
  EXPECT_EQ(TcpState::syn_sent, state_of(client));
  EXPECT_LE(1U, overflows() - overflows_before);
  EXPECT_LE(1U, drops() - drops_before);
}

TEST_F(ListenQueue, a_client_whose_last_ack_finds_it_full_believes_it_is_connected) {
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  const OwnedFd late = come_late(listener);
  const uint64_t before = overflows();
  await_state(late, TcpState::established);  // by the SYN-ACK's retransmission, after 1 s
  await("the overflow", [&] { return overflows() > before; });
  const auto accepted_before = waiting_at(listener);
  const int error = try_send(late, "GET / HTTP/1.1\r\n\r\n");
  measured("client {}, send() = {}, server half-open {}, waiting still {}",
           name_of(state_of(late)), error == 0 ? "all bytes" : "error", half_open_at(listener),
           waiting_at(listener));
  EXPECT_EQ(0, error);
  EXPECT_EQ(TcpState::established, state_of(late));
  EXPECT_EQ(accepted_before, waiting_at(listener));
  EXPECT_EQ(1U, half_open_at(listener));
}

TEST_F(ListenQueue, abort_on_overflow_resets_that_client) {
  set_sysctl("net.ipv4.tcp_abort_on_overflow", 1);
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  const OwnedFd late = come_late(listener);
  await_event(late, POLLIN | POLLHUP);
  const int error = try_receive(late);
  measured("the client reads {}", net::errno_name(error));
  EXPECT_EQ(ECONNRESET, error);
}

TEST_F(ListenQueue, abort_on_overflow_does_nothing_for_a_syn) {
  set_sysctl("net.ipv4.tcp_abort_on_overflow", 1);
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  fill(listener);
  const OwnedFd client = begin_to_connect(local_of(listener));
  const bool answered = is_answered(client);
  measured("no reset: the client stays in {}", name_of(state_of(client)));
  EXPECT_FALSE(answered);
  EXPECT_EQ(TcpState::syn_sent, state_of(client));
}

// Until they are cut off, half-open connections are counted against the same number: with SYN
// cookies off, those beyond it are dropped.
TEST_F(ListenQueue, backlog_limits_half_open_connections_too) {
  set_sysctl("net.ipv4.tcp_syncookies", 0);
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  for (int i = 0; i < 4 * kBacklog; ++i) {
    clients_.push_back(begin_to_connect(local_of(listener), true));
  }
  const size_t half_open = half_open_at(listener);
  measured("{} of {} are half-open with listen({}), tcp_max_syn_backlog {}", half_open,
           clients_.size(), kBacklog, sysctl("net.ipv4.tcp_max_syn_backlog"));
  EXPECT_LE(half_open, kBacklog + 1U);
}

TEST_F(ListenQueue, with_syn_cookies_half_open_connections_beyond_it_take_no_room) {
  set_sysctl("net.ipv4.tcp_syncookies", 1);
  const OwnedFd listener = listen_on(loopback(), {.backlog = kBacklog});
  const uint64_t before = counter("TcpExt", "SyncookiesSent");
  for (int i = 0; i < 4 * kBacklog; ++i) {
    clients_.push_back(begin_to_connect(local_of(listener), true));
  }
  const uint64_t cookies = counter("TcpExt", "SyncookiesSent") - before;
  const size_t half_open = half_open_at(listener);
  const OwnedFd honest = begin_to_connect(local_of(listener));
  const bool answered = is_answered(honest);
  measured("{} half-open, {} answered with a cookie; the next client: {}", half_open, cookies,
           name_of(state_of(honest)));
  EXPECT_EQ(clients_.size(), half_open + cookies);
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace notes
