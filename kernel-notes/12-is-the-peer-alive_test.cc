// Who notices that the other end is gone, and when (12-is-the-peer-alive.md).
#include "kernel-notes/experiment.h"

namespace notes {
namespace {

using std::chrono::milliseconds;

// SO_KEEPALIVE, with the three numbers of tcp(7) for this socket.
void keep_alive(const OwnedFd& socket, int idle_s, int interval_s, int count) {
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, idle_s);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, interval_s);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, count);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
}

uint64_t probes() { return counter("TcpExt", "TCPKeepAlive"); }

// What the application hears at last: 0 or errno of recv(2), and when.
struct Verdict {
  int error = 0;
  double seconds = 0;
};
Verdict await_verdict(const OwnedFd& socket) {
  const Stopwatch watch;
  await_event(socket, POLLIN);
  return {try_receive(socket), watch.seconds()};
}

// PING, and PONG within `patience`, `tries` times at most; whether one was answered.
bool answers_ping(const OwnedFd& socket, milliseconds patience, int tries) {
  for (int i = 0; i < tries; ++i) {
    if (try_send(socket, "PING\n") != 0) return false;
    if (has_event(socket, POLLIN, patience)) return try_receive(socket) == 0;
  }
  return false;
}

class PeerAlive : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    listener_ = listen_on(loopback());
    connection_ = open_connection(listener_);
  }
  const OwnedFd& client() const { return connection_.client; }

  OwnedFd listener_;
  Connection connection_;
};
class PeerAliveSlow : public PeerAlive {};

TEST_F(PeerAlive, keep_alive_is_off_and_takes_two_hours_when_on) {
  const int on = option_of(client(), SOL_SOCKET, SO_KEEPALIVE);
  const int idle_s = option_of(client(), IPPROTO_TCP, TCP_KEEPIDLE);
  const int interval_s = option_of(client(), IPPROTO_TCP, TCP_KEEPINTVL);
  const int count = option_of(client(), IPPROTO_TCP, TCP_KEEPCNT);
  const int all_s = idle_s + count * interval_s;
  measured("SO_KEEPALIVE {}; {} s + {} x {} s = {} h {} min {} s", on, idle_s, count, interval_s,
           all_s / 3600, all_s / 60 % 60, all_s % 60);
  EXPECT_EQ(0, on);
  EXPECT_EQ(7200 + 9 * 75, all_s);
  EXPECT_EQ(2 * 3600 + 11 * 60 + 15, all_s);
}

TEST_F(PeerAlive, an_idle_connection_does_not_notice_that_the_peer_is_gone) {
  crash_close(connection_.server);
  net::Capture& packets = capture();
  const bool heard = has_event(client(), POLLIN | POLLERR, milliseconds(300));
  measured("300 ms after the peer's crash: {}, {} segments sent", name_of(state_of(client())),
           packets.segments().size());
  EXPECT_FALSE(heard);
  EXPECT_EQ(TcpState::established, state_of(client()));
  EXPECT_EQ(0U, packets.segments().size());
}

TEST_F(PeerAlive, a_rebooted_peer_answers_data_with_rst) {
  crash_close(connection_.server);
  const int send_error = try_send(client(), "PING\n");
  const Verdict verdict = await_verdict(client());
  const int next = try_send(client(), "PING\n");
  measured("send() = {}, recv() = {}, the next send() = {}", send_error,
           net::errno_name(verdict.error), net::errno_name(next));
  EXPECT_EQ(0, send_error);
  EXPECT_EQ(ECONNRESET, verdict.error);
}

TEST_F(PeerAlive, an_application_ping_finds_a_vanished_peer_sooner) {
  deafen(client());
  const Stopwatch watch;
  const bool alive = answers_ping(client(), milliseconds(100), 3);
  measured("3 tries of 100 ms: {} after {:.0f} ms; TCP still says {}", alive ? "alive" : "gone",
           watch.milliseconds(), name_of(state_of(client())));
  EXPECT_FALSE(alive);
  EXPECT_EQ(TcpState::established, state_of(client()));
}

TEST_F(PeerAlive, an_application_ping_finds_a_hung_process_too) {
  const bool alive = answers_ping(client(), milliseconds(100), 2);  // nobody reads
  await("acknowledgements", [&] { return info_of(client()).tcpi_unacked == 0; });
  measured("no PONG, though its kernel acknowledged all {} bytes",
           info_of(client()).tcpi_bytes_acked);
  EXPECT_FALSE(alive);
  EXPECT_LE(10U, info_of(client()).tcpi_bytes_acked);
}

TEST_F(PeerAlive, tcp_user_timeout_limits_how_long_data_stays_unacknowledged) {
  set_option(client(), IPPROTO_TCP, TCP_USER_TIMEOUT, 500);
  deafen(client());
  EXPECT_EQ(0, try_send(client(), "into the void"));
  const Verdict verdict = await_verdict(client());
  measured("TCP_USER_TIMEOUT 500 ms: {} after {:.2f} s, {} retransmissions",
           net::errno_name(verdict.error), verdict.seconds, counter("Tcp", "RetransSegs"));
  EXPECT_EQ(ETIMEDOUT, verdict.error);
  EXPECT_LE(0.4, verdict.seconds);
}

TEST_F(PeerAlive, tcp_user_timeout_does_nothing_for_an_idle_connection) {
  set_option(client(), IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
  deafen(client());
  const bool heard = has_event(client(), POLLIN | POLLERR, milliseconds(500));
  measured("TCP_USER_TIMEOUT 100 ms, idle for 500 ms: {}", name_of(state_of(client())));
  EXPECT_FALSE(heard);
}

TEST_F(PeerAliveSlow, keep_alive_finds_a_vanished_peer) {
  deafen(client());
  keep_alive(client(), 1, 1, 2);
  const Verdict verdict = await_verdict(client());
  measured("1 s + 2 x 1 s: {} after {:.2f} s and {} probes", net::errno_name(verdict.error),
           verdict.seconds, probes());
  EXPECT_EQ(ETIMEDOUT, verdict.error);
  EXPECT_EQ(2U, probes());
  EXPECT_LE(2.5, verdict.seconds);
}

TEST_F(PeerAliveSlow, keep_alive_finds_a_cut_cable) {
  const net::VethPair link = make_link();
  const OwnedFd listener = in(link.far, [] { return listen_on(at("10.0.0.2:80")); });
  const OwnedFd near = in(link.near, [] { return connect_to(at("10.0.0.2:80")); });
  keep_alive(near, 1, 1, 2);
  cut_link(link);
  const Verdict verdict = await_verdict(near);
  measured("{} after {:.2f} s; the device going down told nobody", net::errno_name(verdict.error),
           verdict.seconds);
  EXPECT_EQ(ETIMEDOUT, verdict.error);
  EXPECT_LE(2.5, verdict.seconds);
}

TEST_F(PeerAliveSlow, a_rebooted_peer_answers_the_first_probe_with_rst) {
  crash_close(connection_.server);
  keep_alive(client(), 1, 1, 2);
  const Verdict verdict = await_verdict(client());
  measured("{} after {:.2f} s and {} probe", net::errno_name(verdict.error), verdict.seconds,
           probes());
  EXPECT_EQ(ECONNRESET, verdict.error);
  EXPECT_EQ(1U, probes());
}

// It is the kernel that answers: a process that hangs, as this one does, looks healthy.
TEST_F(PeerAliveSlow, a_healthy_peer_resets_the_clock_even_if_its_process_hangs) {
  net::Capture& packets = capture();
  keep_alive(client(), 1, 1, 2);
  await("4 probes", [] { return probes() >= 4; });
  const Segment probe = packets.segments_from(local_of(client()).port()).front();
  const Segment answer = packets.segments_from(local_of(listener_).port()).front();
  measured("{} probes of {} bytes, each answered: {}; the number of a probe is {} before the next",
           probes(), probe.data.size(), name_of(state_of(client())), answer.ack_number - probe.seq);
  EXPECT_EQ(TcpState::established, state_of(client()));
  EXPECT_EQ(1U, answer.ack_number - probe.seq);  // a byte that is known: it must be answered
  EXPECT_TRUE(probe.data.empty());
}

TEST_F(PeerAliveSlow, traffic_postpones_the_probes) {
  keep_alive(client(), 1, 1, 2);
  for (int i = 0; i < 10; ++i) {
    send_all(connection_.server, "news");
    EXPECT_FALSE(has_event(client(), POLLERR, milliseconds(300)));
  }
  measured("3 s with news every 300 ms: {} probes", probes());
  EXPECT_EQ(0U, probes());
}

TEST_F(PeerAliveSlow, unacknowledged_data_turns_keep_alive_off) {
  deafen(client());
  keep_alive(client(), 1, 1, 2);
  EXPECT_EQ(0, try_send(client(), "into the void"));
  const bool heard = has_event(client(), POLLIN | POLLERR, milliseconds(6000));
  measured("6 s after send(): {} probes, {} retransmissions, {}", probes(),
           info_of(client()).tcpi_total_retrans, name_of(state_of(client())));
  EXPECT_FALSE(heard);
  EXPECT_EQ(0U, probes());
  EXPECT_LE(2U, info_of(client()).tcpi_total_retrans);
}

TEST_F(PeerAliveSlow, tcp_user_timeout_replaces_the_count_of_probes) {
  deafen(client());
  keep_alive(client(), 1, 1, 9);
  set_option(client(), IPPROTO_TCP, TCP_USER_TIMEOUT, 2500);
  const Verdict verdict = await_verdict(client());
  measured("1 s + 9 x 1 s with TCP_USER_TIMEOUT 2500 ms: {} after {:.2f} s and {} probes",
           net::errno_name(verdict.error), verdict.seconds, probes());
  EXPECT_EQ(ETIMEDOUT, verdict.error);
  EXPECT_GT(9U, probes());
  EXPECT_LE(2.4, verdict.seconds);
}

}  // namespace
}  // namespace notes
