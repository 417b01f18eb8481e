// How a TCP connection begins and ends, segment by segment and state by state, and the ways in
// which it does not begin (03-a-connections-life.md).
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr std::chrono::milliseconds kSoon{100};  // an answer over loopback takes microseconds

void begin_to_connect(const OwnedFd& socket, const Address& to, bool deaf = false) {
  set_nonblocking(socket);
  if (deaf) deafen(socket);
  EXPECT_EQ(EINPROGRESS, try_connect(socket, to));
}

void await_time_wait(uint16_t port) {
  await("TIME_WAIT", [&] { return has_state(port, TcpState::time_wait); });
}

// The first packet that this port sends with these flags.
net::Packet sent_by(net::Capture& wire, uint16_t port, const std::string& flags) {
  net::Packet found;
  await("a segment on the wire", [&] {
    for (const net::Packet& packet : wire.packets()) {
      const auto segment = net::segment_of(packet);
      if (!segment || segment->from.port != port || segment->flags() != flags) continue;
      found = packet;
      return true;
    }
    return false;
  });
  return found;
}

class OpeningAConnection : public Experiment {};
class ConnectingInVain : public Experiment {};
class ConnectingInVainSlow : public Experiment {};
class ClosingAConnection : public Experiment {};
class SequenceNumbers : public Experiment {};
class SavedCapture : public Experiment {};

TEST_F(OpeningAConnection, takes_three_segments) {
  net::Capture& wire = capture();
  const Connection connection = open_connection(listen_on(loopback()));
  await("three segments", [&] { return wire.segments().size() >= 3; });
  const auto segments = wire.segments();
  measured("{}", flags_of(segments));
  EXPECT_EQ("SYN | SYN,ACK | ACK", flags_of(segments));
}

TEST_F(OpeningAConnection, each_state_can_be_seen) {
  const OwnedFd listener = listen_on(loopback());
  const uint16_t port = local_of(listener).port();
  deafen(listener);
  const OwnedFd first = tcp_socket(), second = tcp_socket();
  begin_to_connect(first, local_of(listener));
  const TcpState unanswered = state_of(first);
  hear_again(listener);
  begin_to_connect(second, local_of(listener), true);
  const bool half_open = has_state(port, TcpState::syn_recv);
  const Connection third = open_connection(listener);
  measured("{} before the SYN is answered, {} at the server before the last ACK, then {} and {}",
           name_of(unanswered), half_open ? "SYN_RECV" : "nothing", name_of(state_of(third.client)),
           name_of(state_of(third.server)));
  EXPECT_EQ(TcpState::syn_sent, unanswered);
  EXPECT_TRUE(half_open);
  EXPECT_EQ(TcpState::established, state_of(third.client));
  EXPECT_EQ(TcpState::established, state_of(third.server));
}

TEST_F(OpeningAConnection, connect_returns_after_the_second_segment_and_accept_after_the_third) {
  const OwnedFd listener = listen_on(loopback());
  hear_only(listener, kSyn);  // the third segment is lost
  const OwnedFd client = connect_to(local_of(listener));
  const bool half_open = has_state(local_of(listener).port(), TcpState::syn_recv);
  const bool acceptable = has_event(listener, POLLIN, kSoon);
  hear_again(listener);
  send_all(client, "x");  // acknowledges the SYN-ACK as well
  const OwnedFd server = accept_from(listener);
  measured("connect() is back while the server is {}; accept() {} until an ACK comes",
           half_open ? "in SYN_RECV" : "elsewhere", acceptable ? "does not wait" : "waits");
  EXPECT_TRUE(half_open);
  EXPECT_FALSE(acceptable);
  EXPECT_EQ("x", receive_some(server));
}

TEST_F(OpeningAConnection, needs_no_accept_to_carry_data) {
  const OwnedFd listener = listen_on(loopback());
  const OwnedFd client = connect_to(local_of(listener));
  send_all(client, "GET / HTTP/1.1\r\n\r\n");
  await("the acknowledgement", [&] { return unacknowledged_bytes(client) == 0; });
  const bool established = has_state(local_of(listener).port(), TcpState::established);
  measured("{}ESTABLISHED before accept(), request acknowledged", established ? "" : "not ");
  EXPECT_TRUE(established);
  EXPECT_EQ(18U, receive_some(accept_from(listener)).size());
}

// Both sides connect before either has heard of the other: the SYNs cross on the cable. The SYNs
// are taken off it, since both sockets are deaf, and put back when both have been sent.
TEST_F(OpeningAConnection, two_clients_whose_syns_cross_get_one_connection) {
  const net::VethPair link = make_link();
  const Address near_at = at("10.0.0.1:4001"), far_at = at("10.0.0.2:4002");
  OwnedFd near = in(link.near, [] { return tcp_socket(); });
  OwnedFd far = in(link.far, [] { return tcp_socket(); });
  net::Capture& wire = *in(link.near, [&] { return &capture("near"); });
  for (OwnedFd* socket : {&near, &far}) {
    bind_to(*socket, socket == &near ? near_at : far_at);
    begin_to_connect(*socket, socket == &near ? far_at : near_at, true);
  }
  const net::Packet near_syn = sent_by(wire, 4001, "SYN"), far_syn = sent_by(wire, 4002, "SYN");
  std::vector<TcpState> seen{state_of(near), state_of(far)};
  hear_again(near);
  in(link.far, [&] { net::replay(far_syn, "far"); });
  await_state(near, TcpState::syn_recv);
  const net::Packet near_syn_ack = sent_by(wire, 4001, "SYN,ACK");
  hear_only(far, kSyn);
  in(link.near, [&] { net::replay(near_syn, "near"); });
  await("SYN_RECV", [&] { return state_of(far) != TcpState::syn_sent; });
  seen.push_back(state_of(far));
  hear_again(far);
  in(link.near, [&] { net::replay(near_syn_ack, "near"); });
  await_state(far, TcpState::established);
  await_state(near, TcpState::established);
  send_all(near, "hello");
  const std::string heard = receive_some(far);
  measured("{}, {}; SYN_RECV, {}; ESTABLISHED twice, and no one listened", name_of(seen[0]),
           name_of(seen[1]), name_of(seen[2]));
  EXPECT_EQ((std::vector{TcpState::syn_sent, TcpState::syn_sent, TcpState::syn_recv}), seen);
  EXPECT_EQ("hello", heard);
}

TEST_F(OpeningAConnection, a_socket_can_connect_to_itself) {
  const OwnedFd socket = tcp_socket();
  bind_to(socket, loopback());
  ASSERT_EQ(0, try_connect(socket, local_of(socket)));
  send_all(socket, "echo");
  const std::string heard = receive_some(socket);
  measured("connect() to the own address succeeds; it reads {} bytes of its own", heard.size());
  EXPECT_EQ("echo", heard);
}

TEST_F(ConnectingInVain, a_port_nobody_listens_on_answers_rst) {
  net::Capture& wire = capture();
  const OwnedFd bound = tcp_socket();  // so that nobody else can listen there
  bind_to(bound, loopback());
  const OwnedFd client = tcp_socket();
  const int error = try_connect(client, local_of(bound));
  measured("{}; {}", net::errno_name(error), flags_of(wire.segments()));
  EXPECT_EQ(ECONNREFUSED, error);
  EXPECT_EQ("SYN | RST,ACK", flags_of(wire.segments()));
}

TEST_F(ConnectingInVain, without_a_route_connect_fails_at_once) {
  const OwnedFd client = tcp_socket();
  const int error = try_connect(client, at("192.0.2.1:80"));
  measured("{}, state {}", net::errno_name(error), name_of(state_of(client)));
  EXPECT_EQ(ENETUNREACH, error);
  EXPECT_EQ(TcpState::close, state_of(client));
}

// The cable is there, the neighbour is not: three ARP requests, a second apart.
TEST_F(ConnectingInVainSlow, a_neighbour_that_is_not_there_is_ehostunreach) {
  const net::VethPair link = make_link();
  const OwnedFd client = in(link.near, [] { return tcp_socket(); });
  const Stopwatch watch;
  const int error = try_connect(client, at("10.0.0.3:80"));
  measured("{} after {:.1f} s", net::errno_name(error), watch.seconds());
  EXPECT_EQ(EHOSTUNREACH, error);
}

class UnansweredSynSlow : public Experiment {
 protected:
  void connect_to_the_deaf() {
    const OwnedFd listener = listen_on(loopback());
    deafen(listener);
    net::Capture& wire = capture();
    const OwnedFd client = tcp_socket();
    const Stopwatch watch;
    const int error = try_connect(client, local_of(listener));
    seconds_ = watch.seconds();
    for (const Segment& each : wire.segments()) sent_at_.push_back(each.seconds);
    std::string times;
    for (const double at : sent_at_) times += fmt::format(" {:.0f}", at - sent_at_[0]);
    measured("SYNs at{} s, {} after {:.1f} s", times, net::errno_name(error), seconds_);
    EXPECT_EQ(ETIMEDOUT, error);
  }

  double seconds_ = 0;
  std::vector<double> sent_at_;
};

// Linear timeouts (since 6.5) add retransmissions, but the time that the retries would take without
// them bounds the whole too.
TEST_F(UnansweredSynSlow, ends_in_etimedout_after_the_time_of_the_retries) {
  set_sysctl("net.ipv4.tcp_syn_retries", 1);
  connect_to_the_deaf();
  EXPECT_LE(2U, sent_at_.size());
  EXPECT_GT(6U, sent_at_.size());
  EXPECT_GT(seconds_, 2.5);
  EXPECT_LT(seconds_, 6.5);
}

TEST_F(UnansweredSynSlow, is_sent_again_every_second_at_first_and_then_ever_more_rarely) {
  NEEDS_KERNEL(6, 5);
  set_sysctl("net.ipv4.tcp_syn_retries", 3);
  set_sysctl("net.ipv4.tcp_syn_linear_timeouts", 4);
  connect_to_the_deaf();
  ASSERT_EQ(1U + 3 + 4, sent_at_.size());
  const double early = sent_at_[4] - sent_at_[0];
  EXPECT_GT(early, 3.5);
  EXPECT_GT(sent_at_[7] - sent_at_[6], 0.9 * early);  // 4 s
}

TEST_F(ConnectingInVain, a_send_timeout_ends_the_wait_but_not_the_attempt) {
  const OwnedFd listener = listen_on(loopback());
  deafen(listener);
  const OwnedFd client = tcp_socket();
  set_send_timeout(client, std::chrono::milliseconds(50));
  const int error = try_connect(client, local_of(listener));
  measured("SO_SNDTIMEO of 50 ms: {}, but still {}", net::errno_name(error),
           name_of(state_of(client)));
  EXPECT_EQ(EINPROGRESS, error);
  EXPECT_EQ(TcpState::syn_sent, state_of(client));
}

TEST_F(ClosingAConnection, four_steps_pass_through_these_states) {
  auto [active, passive] = open_connection(listen_on(loopback()));
  const uint16_t port = local_of(active).port();
  deafen(passive);
  send_fin(active);
  std::vector<TcpState> at_active{state_of(active)}, at_passive;
  hear_again(passive);  // the FIN comes again, after the retransmission timeout
  await_state(active, TcpState::fin_wait2);
  at_active.push_back(state_of(active));
  at_passive.push_back(state_of(passive));
  deafen(passive);
  send_fin(passive);
  at_passive.push_back(state_of(passive));
  await_time_wait(port);
  hear_again(passive);
  await_state(passive, TcpState::close);
  measured("active: {}, {}, TIME_WAIT; passive: {}, {}, CLOSE", name_of(at_active[0]),
           name_of(at_active[1]), name_of(at_passive[0]), name_of(at_passive[1]));
  EXPECT_EQ((std::vector{TcpState::fin_wait1, TcpState::fin_wait2}), at_active);
  EXPECT_EQ((std::vector{TcpState::close_wait, TcpState::last_ack}), at_passive);
}

TEST_F(ClosingAConnection, takes_four_segments_if_the_other_side_takes_its_time) {
  auto [active, passive] = open_connection(listen_on(loopback()));
  net::Capture& wire = capture();
  send_fin(active);
  await_state(active, TcpState::fin_wait2);
  send_fin(passive);
  await_state(passive, TcpState::close);
  await("four segments", [&] { return wire.segments().size() >= 4; });
  measured("{}", flags_of(wire.segments()));
  EXPECT_EQ("FIN,ACK | ACK | FIN,ACK | ACK", flags_of(wire.segments()));
}

// The acknowledgement of the first FIN is left out or lost: the second FIN carries it as well.
TEST_F(ClosingAConnection, a_fin_that_acknowledges_skips_fin_wait2) {
  auto [active, passive] = open_connection(listen_on(loopback()));
  const uint16_t port = local_of(active).port();
  hear_only(active, kFin);
  send_fin(active);
  await_state(passive, TcpState::close_wait);
  const TcpState before = state_of(active);
  send_fin(passive);
  await_time_wait(port);
  measured("{} until the other FIN comes, then TIME_WAIT", name_of(before));
  EXPECT_EQ(TcpState::fin_wait1, before);
}

// Both FINs are taken off the cable and put back when both sides have sent theirs.
TEST_F(ClosingAConnection, fins_that_cross_lead_through_closing_to_time_wait_on_both_sides) {
  const net::VethPair link = make_link();
  // No retransmission may come between: it would acknowledge what the crossing FIN does not.
  if (running_kernel() >= KernelVersion{6, 11}) {
    in(link.near, [] { set_sysctl("net.ipv4.tcp_rto_min_us", 10'000'000); });
    in(link.far, [] { set_sysctl("net.ipv4.tcp_rto_min_us", 10'000'000); });
  }
  const OwnedFd listener = in(link.far, [] { return listen_on(at("10.0.0.2:4002")); });
  const OwnedFd near =
      in(link.near, [] { return connect_from(at("10.0.0.1:4001"), at("10.0.0.2:4002")); });
  const OwnedFd far = accept_from(listener);
  net::Capture& wire = *in(link.near, [&] { return &capture("near"); });
  for (const OwnedFd* socket : {&near, &far}) deafen(*socket);
  for (const OwnedFd* socket : {&near, &far}) send_fin(*socket);
  const net::Packet near_fin = sent_by(wire, 4001, "FIN,ACK");
  const net::Packet far_fin = sent_by(wire, 4002, "FIN,ACK");
  std::vector<TcpState> seen{state_of(near), state_of(far)};
  hear_again(near);
  in(link.far, [&] { net::replay(far_fin, "far"); });
  await_state(near, TcpState::closing);
  deafen(near);
  hear_only(far, kFin);
  in(link.near, [&] { net::replay(near_fin, "near"); });
  await_state(far, TcpState::closing);
  hear_again(near);
  hear_again(far);
  // Each side answers a FIN that comes once more, and that acknowledgement arrives.
  in(link.near, [&] { net::replay(near_fin, "near"); });
  in(link.near, [] { await_time_wait(4001); });
  in(link.far, [&] { net::replay(far_fin, "far"); });
  in(link.far, [] { await_time_wait(4002); });
  measured("{}, {}; CLOSING twice; TIME_WAIT twice", name_of(seen[0]), name_of(seen[1]));
  EXPECT_EQ(std::vector(2, TcpState::fin_wait1), seen);
}

TEST_F(ClosingAConnection, time_wait_answers_a_fin_that_comes_again) {
  auto [active, passive] = open_connection(listen_on(loopback()));
  const uint16_t port = local_of(active).port();
  send_fin(active);
  await_state(passive, TcpState::close_wait);
  deafen(passive);  // the last ACK is lost
  send_fin(passive);
  await_time_wait(port);
  active.reset();
  const TcpState before = state_of(passive);
  hear_again(passive);
  const Stopwatch watch;
  await_state(passive, TcpState::close);
  measured("{}, and done {:.0f} ms later, when its FIN has been sent again", name_of(before),
           watch.milliseconds());
  EXPECT_EQ(TcpState::last_ack, before);
  EXPECT_TRUE(has_state(port, TcpState::time_wait));
}

TEST_F(SequenceNumbers, count_bytes_and_syn_and_fin_take_one_each) {
  const OwnedFd listener = listen_on(loopback());
  net::Capture& wire = capture();
  auto [client, server] = open_connection(listener);
  const uint16_t client_port = local_of(client).port(), server_port = local_of(server).port();
  send_all(client, std::string(100, 'x'));
  receive_exactly(server, 100);
  await("the acknowledgement", [&] { return unacknowledged_bytes(client) == 0; });
  active_close(client, server);
  await("the last ACK", [&] { return wire.segments_from(client_port).size() >= 5; });
  const uint32_t first = wire.segments_from(client_port)[0].seq;
  std::set<uint32_t> acknowledged;  // by the server
  for (const Segment& segment : wire.segments_from(server_port)) {
    acknowledged.insert(segment.ack_number - first);
  }
  measured("after SYN, 100 bytes, FIN: ACK = SEQ + {}", fmt::join(acknowledged, ", + "));
  EXPECT_EQ((std::set<uint32_t>{1, 101, 102}), acknowledged);
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Exit status, 127 if there is none. tcpdump that believes it is root wants to become somebody
// else, which fails in a user namespace: in one more, without a map, it is nobody from the start.
int run_tcpdump(std::FILE* saved, std::FILE* output) {
  // Not unshare(2), which is closed to a process with several threads, as under TSan.
  auto child = static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
  if (child < 0) child = ::fork();
  if (child == 0) {
    ::dup2(::fileno(saved), STDIN_FILENO);
    ::dup2(::fileno(output), STDOUT_FILENO);
    ::dup2(::fileno(output), STDERR_FILENO);
    ::execlp("tcpdump", "tcpdump", "-Z", "root", "-nn", "-r", "-", nullptr);
    ::_exit(127);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(SavedCapture, is_read_by_tcpdump) {
  net::Capture& wire = capture();
  auto [client, server] = open_connection(listen_on(loopback()));
  send_all(client, "hello");
  receive_exactly(server, 5);
  active_close(client, server);
  const size_t packets = wire.packets().size();
  const File saved(std::tmpfile(), &std::fclose), output(std::tmpfile(), &std::fclose);
  wire.save(fmt::format("/proc/self/fd/{}", ::fileno(saved.get())));
  const int status = run_tcpdump(saved.get(), output.get());
  if (status == 127) SKIP_EXPERIMENT("tcpdump is not installed");
  std::rewind(output.get());
  std::string text;
  for (char line[512]; std::fgets(line, sizeof line, output.get());) text += line;
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  const bool has_both = text.find("length 5", text.find("Flags [S], seq")) != std::string::npos;
  measured("{} packets saved; tcpdump prints {} lines, {}the SYN and the data among them", packets,
           lines, has_both ? "" : "not ");
  EXPECT_EQ(0, status) << text;
  EXPECT_TRUE(has_both) << text;
  EXPECT_LE(packets, lines);
}

}  // namespace
}  // namespace notes
