// What becomes of segments that are lost: when they are sent again, how the sender learns of it,
// and when it gives up (18-loss-and-retransmission.md). A segment is lost here when its receiver is
// deaf for a while: it arrives, and TCP never sees it.
#include "common/net/sysctl.h"
#include "kernel-notes/experiment.h"

namespace notes {
namespace {

class Retransmission : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (!IsSkipped()) set_sysctl("net.ipv4.tcp_congestion_control", "reno");
  }

  // The RTO's floor at 20 ms instead of 200, and no probe before it.
  static void be_quick() {
    set_sysctl("net.ipv4.tcp_rto_min_us", 20'000);
    without_probe();
  }
  static void without_probe() { set_sysctl("net.ipv4.tcp_early_retrans", 0); }

  static Connection connection() {
    Connection both = open_connection(listen_on(loopback()));
    set_option(both.client, IPPROTO_TCP, TCP_NODELAY, 1);
    return both;
  }
  static OwnedFd connect_in_vain(const OwnedFd& listener) {
    deafen(listener);
    OwnedFd client = tcp_socket();
    set_nonblocking(client);
    EXPECT_EQ(EINPROGRESS, try_connect(client, local_of(listener)));
    return client;
  }
  static void lose(const Connection& both, std::string_view bytes) {
    deafen(both.server);
    send_all(both.client, bytes);
  }
  static void await_retransmissions(const OwnedFd& socket, uint32_t count) {
    await("a retransmission", [&] { return info_of(socket).tcpi_total_retrans >= count; });
  }
  static void await_acknowledged(const OwnedFd& socket) {
    await("the acknowledgement", [&] { return unacknowledged_bytes(socket) == 0; });
  }
  // Until the kernel gives up; the error it then shows.
  static int await_error(const OwnedFd& socket) {
    await_event(socket, POLLIN);
    return try_receive(socket);
  }
  // The segments with data that the socket sent, when there are so many.
  static std::vector<Segment> await_data(net::Capture& wire, const OwnedFd& from, size_t count) {
    const uint16_t port = local_of(from).port();
    std::vector<Segment> segments;
    await("segments", [&] {
      segments = wire.segments_from(port);
      std::erase_if(segments, [](const Segment& segment) { return segment.data.empty(); });
      return segments.size() >= count;
    });
    return segments;
  }
  // "0.2, 0.6, 1.4": when the copies were sent, after the first one.
  static std::string times_of(const std::vector<Segment>& segments) {
    std::string times;
    for (size_t i = 1; i < segments.size(); ++i) {
      times +=
          fmt::format("{}{:.1f}", i == 1 ? "" : ", ", segments[i].seconds - segments[0].seconds);
    }
    return times;
  }
  // How much a counter has risen since.
  static auto rise_of(std::string_view name) {
    const char* group = name == "RetransSegs" ? "Tcp" : "TcpExt";
    return [=, before = counter(group, name)] { return counter(group, name) - before; };
  }
};

class RetransmissionSlow : public Retransmission {};

class QuickRetransmission : public Retransmission {
 protected:
  void SetUp() override {
    Retransmission::SetUp();
    NEEDS_KERNEL(6, 11);  // tcp_rto_min_us
    if (!IsSkipped()) be_quick();
  }
};

TEST_F(Retransmission, a_lost_segment_is_sent_again_after_the_rto) {
  without_probe();
  const Connection both = connection();
  const uint32_t rto_us = info_of(both.client).tcpi_rto;
  net::Capture& wire = capture();
  lose(both, "hello");
  const auto segments = await_data(wire, both.client, 2);
  const double gap_ms = (segments[1].seconds - segments[0].seconds) * 1e3;
  measured("RTO {} ms, sent again after {:.0f} ms", rto_us / 1000, gap_ms);
  EXPECT_EQ(segments[0].seq, segments[1].seq);
  EXPECT_GE(gap_ms, rto_us * 1e-3 - 10);
}

TEST_F(Retransmission, before_the_first_round_trip_the_rto_is_a_second) {
  const OwnedFd listener = listen_on(loopback());
  const OwnedFd client = connect_in_vain(listener);
  const uint32_t before_us = info_of(client).tcpi_rto;
  const Connection both = connection();
  const uint32_t after_us = info_of(both.client).tcpi_rto;
  measured("{} ms in SYN_SENT, {} ms when connected, round trip {} us", before_us / 1000,
           after_us / 1000, info_of(both.client).tcpi_rtt);
  EXPECT_EQ(1'000'000U, before_us);
  EXPECT_GE(after_us, 200'000U);
  EXPECT_LT(after_us, before_us);
}

TEST_F(QuickRetransmission, the_rto_doubles_until_an_acknowledgement_comes) {
  std::string seen;
  for (const char* algorithm : {"reno", "cubic", "bbr"}) {
    if (!net::write_sysctl("net.ipv4.tcp_congestion_control", algorithm)) continue;  // not here
    const Connection both = connection();
    const uint32_t first_us = info_of(both.client).tcpi_rto;
    lose(both, "hello");
    await_retransmissions(both.client, 3);
    const tcp_info lost = info_of(both.client);
    hear_again(both.server);
    await_acknowledged(both.client);
    const tcp_info after = info_of(both.client);
    seen += fmt::format("{}{} {} ms, {} ms after {} retransmissions, {} ms once acknowledged",
                        seen.empty() ? "" : "; ", algorithm, first_us / 1000, lost.tcpi_rto / 1000,
                        lost.tcpi_retransmits, after.tcpi_rto / 1000);
    EXPECT_EQ(lost.tcpi_retransmits, lost.tcpi_backoff) << algorithm;
    EXPECT_EQ(first_us << lost.tcpi_backoff, lost.tcpi_rto) << algorithm;
    EXPECT_EQ(0U, after.tcpi_backoff) << algorithm;
    EXPECT_LT(after.tcpi_rto, lost.tcpi_rto) << algorithm;
  }
  measured("{}", seen);
}

TEST_F(QuickRetransmission, a_mended_link_stays_silent_until_the_timer_runs_out) {
  const Connection both = connection();
  net::Capture& wire = capture();
  lose(both, "hello");
  await_retransmissions(both.client, 4);  // the next one is 16 times the first RTO away
  await_data(wire, both.client, 5);       // and the last one is not still on its way
  const tcp_info info = info_of(both.client);
  hear_again(both.server);
  const Stopwatch since_mended;
  EXPECT_EQ("hello", receive_exactly(both.server, 5));
  const double silent_ms = since_mended.milliseconds();
  const auto segments = await_data(wire, both.client, info.tcpi_total_retrans + 2);
  measured("{:.0f} ms of silence after it was mended, of an RTO of {} ms; {} copies sent",
           silent_ms, info.tcpi_rto / 1000, segments.size());
  EXPECT_EQ(info.tcpi_total_retrans + 2, segments.size());  // the first, those, and one more
  EXPECT_GE((segments.back().seconds - segments[segments.size() - 2].seconds) * 1e6,
            info.tcpi_rto * 0.9);
}

// Two segments of three: a probe of the tail comes after two round trips and two ticks of the
// kernel's clock, not after the RTO (RFC 8985 section 7).
TEST_F(Retransmission, a_probe_of_the_tail_comes_long_before_the_rto) {
  const Connection both = connection();
  const auto probes = rise_of("TCPLossProbes"), timeouts = rise_of("TCPTimeouts");
  net::Capture& wire = capture();
  deafen(both.server);
  for (const char* piece : {"one", "two", "three"}) send_all(both.client, piece);
  const auto segments = await_data(wire, both.client, 4);
  measured("\"{}\" sent again after {:.0f} ms, TCPLossProbes +{}, TCPTimeouts +{}",
           segments[3].data, (segments[3].seconds - segments[2].seconds) * 1e3, probes(),
           timeouts());
  EXPECT_EQ("three", segments[3].data);
  EXPECT_EQ(1U, probes());
  EXPECT_LT(segments[3].seconds - segments[2].seconds, info_of(both.client).tcpi_rto * 1e-6);
}

TEST_F(Retransmission, a_hole_is_filled_without_waiting_for_a_timer) {
  const Connection both = connection();
  const auto timeouts = rise_of("TCPTimeouts"), fast = rise_of("TCPFastRetrans");
  lose(both, "lost ");
  hear_again(both.server);
  const Stopwatch since_heard;
  for (const char* piece : {"and ", "found ", "again"}) send_all(both.client, piece);
  const std::string text = receive_exactly(both.server, 20);
  measured("\"{}\" after {:.1f} ms: TCPFastRetrans +{}, TCPTimeouts +{}", text,
           since_heard.milliseconds(), fast(), timeouts());
  EXPECT_EQ("lost and found again", text);
  EXPECT_EQ(1U, fast());
  EXPECT_EQ(0U, timeouts());
}

// Without SACK, three segments have to come after the hole before it is filled: here it is one.
TEST_F(Retransmission, bytes_behind_a_hole_are_there_and_cannot_be_read) {
  without_probe();
  set_sysctl("net.ipv4.tcp_sack", 0);
  const Connection both = connection();
  const auto queued = rise_of("TCPOFOQueue"), timeouts = rise_of("TCPTimeouts");
  lose(both, "lost ");
  hear_again(both.server);
  send_all(both.client, "again");
  await("a segment out of order", [&] { return queued() > 0; });
  const size_t readable = unread_bytes(both.server);
  const int error = try_receive(both.server, MSG_DONTWAIT);
  const std::string text = receive_exactly(both.server, 10);
  measured("TCPOFOQueue +{}, {} bytes to read, {}; TCPTimeouts +{}, \"{}\"", queued(), readable,
           net::errno_name(error), timeouts(), text);
  EXPECT_EQ(0U, readable);
  EXPECT_EQ(EAGAIN, error);
  EXPECT_LE(1U, timeouts());
  EXPECT_EQ("lost again", text);
}

TEST_F(QuickRetransmission, sent_bytes_stay_in_the_buffer_until_they_are_acknowledged) {
  const Connection both = connection();
  deafen(both.server);
  const int error = try_send(both.client, "hello");
  const size_t kept = unacknowledged_bytes(both.client);
  const uint32_t unsent = info_of(both.client).tcpi_notsent_bytes;
  hear_again(both.server);
  await_acknowledged(both.client);
  measured("send() = {}: {} bytes kept, {} unsent; 0 kept while the peer has {} unread",
           error == 0 ? "all bytes" : "error", kept, unsent, unread_bytes(both.server));
  EXPECT_EQ(0, error);
  EXPECT_EQ(5U, kept);
  EXPECT_EQ(5U, unread_bytes(both.server));
}

// Without a capture, which would hold on to the packets and keep TCP from joining them.
TEST_F(QuickRetransmission, small_writes_are_joined_before_they_are_sent_again) {
  const Connection both = connection();
  deafen(both.server);
  for (const char* piece : {"one", "two", "three"}) send_all(both.client, piece);
  const uint32_t before = info_of(both.client).tcpi_unacked;
  await_retransmissions(both.client, 1);
  const uint32_t after = info_of(both.client).tcpi_unacked;
  measured("{} segments in flight, {} after the timeout", before, after);
  EXPECT_EQ(3U, before);
  EXPECT_EQ(1U, after);
}

// To the sender, a lost acknowledgement looks like a lost segment.
TEST_F(QuickRetransmission, what_arrives_twice_is_read_once_and_the_sender_is_told) {
  const Connection both = connection();
  const auto told = rise_of("TCPDSACKOldSent"), heard = rise_of("TCPDSACKRecv");
  deafen(both.client);
  send_all(both.client, "hello");
  await_retransmissions(both.client, 1);
  hear_again(both.client);
  await_acknowledged(both.client);
  send_fin(both.client);
  const std::string text = receive_until_end(both.server);
  measured("read \"{}\", TCPDSACKOldSent +{}, TCPDSACKRecv +{}", text, told(), heard());
  EXPECT_EQ("hello", text);
  EXPECT_LE(1U, told());
  EXPECT_LE(1U, heard());
}

TEST_F(QuickRetransmission, a_closed_socket_goes_on_sending_what_it_owes) {
  Connection both = connection();
  const uint16_t port = local_of(both.client).port();
  lose(both, "hello");
  both.client.reset();
  const auto states = states_of(port);
  const auto copies = rise_of("RetransSegs");
  await("a retransmission", [&] { return copies() > 0; });
  hear_again(both.server);
  const std::string text = receive_until_end(both.server);
  measured("without a process in {}; then \"{}\" and the end arrive",
           states.empty() ? "no state" : name_of(states[0]), text);
  EXPECT_EQ(std::vector{TcpState::fin_wait1}, states);
  EXPECT_EQ("hello", text);
}

TEST_F(QuickRetransmission, tcp_orphan_retries_limits_how_long_it_does) {
  set_sysctl("net.ipv4.tcp_orphan_retries", 1);
  Connection both = connection();
  const uint16_t port = local_of(both.client).port();
  lose(both, "hello");
  both.client.reset();
  const Stopwatch since_closed;
  await("its end", [&] { return states_of(port).empty(); });
  measured("gone {:.0f} ms after close() with tcp_orphan_retries 1", since_closed.milliseconds());
  EXPECT_GE(since_closed.milliseconds(), 550);  // ((2 << 1) - 1) × 200 ms, less the first RTO
}

TEST_F(QuickRetransmission, tcp_retries2_is_a_time_and_not_a_count) {
  set_sysctl("net.ipv4.tcp_retries2", 1);
  const Connection both = connection();
  const auto aborted = rise_of("TCPAbortOnTimeout"), copies = rise_of("RetransSegs");
  const Stopwatch since_sent;
  lose(both, "hello");
  const int error = await_error(both.client);
  measured("tcp_retries2 1: {} after {:.0f} ms and {} retransmissions, TCPAbortOnTimeout +{}",
           net::errno_name(error), since_sent.milliseconds(), copies(), aborted());
  EXPECT_EQ(ETIMEDOUT, error);
  EXPECT_LT(1U, copies());
  EXPECT_GE(since_sent.milliseconds(), 600);
  EXPECT_EQ(1U, aborted());
}

TEST_F(Retransmission, tcp_user_timeout_replaces_it_for_one_socket) {
  without_probe();
  const Connection both = connection();
  set_option(both.client, IPPROTO_TCP, TCP_USER_TIMEOUT, 500);
  const Stopwatch since_sent;
  lose(both, "hello");
  const int error = await_error(both.client);
  measured("500 ms: {} after {:.0f} ms", net::errno_name(error), since_sent.milliseconds());
  EXPECT_EQ(ETIMEDOUT, error);
  EXPECT_GE(since_sent.milliseconds(), 490);
}

TEST_F(QuickRetransmission, after_a_timeout_the_window_is_one_segment) {
  const Connection both = connection();
  const tcp_info before = info_of(both.client);
  lose(both, "hello");
  await_retransmissions(both.client, 1);
  const tcp_info lost = info_of(both.client);
  hear_again(both.server);
  await_acknowledged(both.client);
  const tcp_info after = info_of(both.client);
  measured("congestion window {}, {} in loss, {} after it; slow start until {}",
           before.tcpi_snd_cwnd, lost.tcpi_snd_cwnd, after.tcpi_snd_cwnd, lost.tcpi_snd_ssthresh);
  EXPECT_EQ(4, lost.tcpi_ca_state);  // TCP_CA_Loss
  EXPECT_EQ(10U, before.tcpi_snd_cwnd);
  EXPECT_EQ(1U, lost.tcpi_snd_cwnd);
  EXPECT_EQ(5U, lost.tcpi_snd_ssthresh);
  EXPECT_LT(after.tcpi_snd_cwnd, before.tcpi_snd_cwnd);
}

TEST_F(RetransmissionSlow, a_cut_cable_reports_nothing_and_a_mended_one_delivers) {
  NEEDS_KERNEL(6, 11);
  const auto link = make_link();
  const OwnedFd listener = in(link.far, [] { return listen_on(at("10.0.0.2:0")); });
  const OwnedFd client = in(link.near, [&] {
    be_quick();
    return connect_to(local_of(listener));
  });
  const OwnedFd server = accept_from(listener);
  cut_link(link);
  const int error = try_send(client, "hello");
  await_retransmissions(client, 2);
  const bool is_told = has_event(client, POLLERR | POLLHUP, std::chrono::milliseconds(0));
  const tcp_info info = info_of(client);
  mend_link(link);
  const std::string text = receive_exactly(server, 5);
  measured("send() = {}, {} and {} retransmissions while cut; then \"{}\" arrives",
           error == 0 ? "all bytes" : "error", is_told ? "an event" : "no event",
           info.tcpi_retransmits, text);
  EXPECT_EQ(0, error);
  EXPECT_FALSE(is_told);
  EXPECT_EQ("hello", text);
}

// The first of the model's doubled timeouts that ends after ((2 << 4) - 1) × 200 ms = 6.2 s.
TEST_F(RetransmissionSlow, with_tcp_retries2_at_4_it_gives_up_after_the_modelled_time) {
  without_probe();
  set_sysctl("net.ipv4.tcp_retries2", 4);
  const Connection both = connection();
  const auto copies = rise_of("RetransSegs");
  const Stopwatch since_sent;
  lose(both, "hello");
  const int error = await_error(both.client);
  measured("{} after {:.1f} s and {} retransmissions", net::errno_name(error), since_sent.seconds(),
           copies());
  EXPECT_EQ(ETIMEDOUT, error);
  EXPECT_GE(since_sent.seconds(), 6.2);
}

// ilog2(1000 / 200) = 2 doublings, then a second each: ((2 << 2) - 1) × 200 ms + 4 × 1 s = 5.4 s.
TEST_F(RetransmissionSlow, tcp_rto_max_ms_ends_the_doubling) {
  NEEDS_KERNEL(6, 15);
  without_probe();
  set_sysctl("net.ipv4.tcp_rto_max_ms", 1000);
  set_sysctl("net.ipv4.tcp_retries2", 6);
  const Connection both = connection();
  net::Capture& wire = capture();
  const Stopwatch since_sent;
  lose(both, "hello");
  const auto segments = await_data(wire, both.client, 6);
  const uint32_t rto_us = info_of(both.client).tcpi_rto;
  const int error = await_error(both.client);
  measured("sent after {} s, RTO {} ms; {} after {:.1f} s", times_of(segments), rto_us / 1000,
           net::errno_name(error), since_sent.seconds());
  EXPECT_EQ(1'000'000U, rto_us);
  EXPECT_GE(since_sent.seconds(), 5.4);
}

TEST_F(RetransmissionSlow, the_first_timeouts_of_a_syn_do_not_double) {
  NEEDS_KERNEL(6, 5);
  const OwnedFd listener = listen_on(loopback());
  net::Capture& wire = capture();
  const OwnedFd client = connect_in_vain(listener);
  const uint16_t port = local_of(client).port();
  await("the seventh SYN", [&] { return wire.segments_from(port).size() >= 7; });
  const auto syns = wire.segments_from(port);
  measured("sent again after {} s", times_of(syns));
  EXPECT_LT(syns[5].seconds - syns[4].seconds, 1.5 * (syns[1].seconds - syns[0].seconds));
  EXPECT_GE(syns[6].seconds - syns[5].seconds, 1.5 * (syns[1].seconds - syns[0].seconds));
}

}  // namespace
}  // namespace notes
