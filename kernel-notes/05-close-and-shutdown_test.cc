// The ways to end a connection: shutdown(2), close(2), SO_LINGER, and what each does to the bytes
// that are still on their way (05-close-and-shutdown.md).
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr std::chrono::milliseconds kSoon{100};

volatile std::sig_atomic_t sigpipes_seen = 0;

bool has_flag(const std::vector<Segment>& segments, bool Segment::*flag) {
  return std::any_of(segments.begin(), segments.end(),
                     [&](const Segment& segment) { return segment.*flag; });
}

class Ending : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    listener_ = listen_on(loopback());
    open();
  }
  void open() {
    auto [client, server] = open_connection(listener_);
    client_ = std::move(client);
    server_ = std::move(server);
    client_port_ = local_of(client_).port();
  }
  void send_to_server(std::string_view bytes) {
    send_all(client_, bytes);
    await("the acknowledgement", [&] { return unacknowledged_bytes(client_) == 0; });
  }
  bool client_is(TcpState state) const { return has_state(client_port_, state); }
  // Nobody has an end at the client's port any more.
  bool client_is_gone() const { return states_of(client_port_).empty(); }

  OwnedFd listener_, client_, server_;
  uint16_t client_port_ = 0;
};

class Shutdown : public Ending {};
class Close : public Ending {};
class CloseAgainstShutdown : public Ending {};
class Linger : public Ending {};

TEST_F(Shutdown, of_writing_sends_fin_and_the_other_direction_goes_on) {
  net::Capture& wire = capture();
  send_fin(client_);
  const size_t at_end = receive_until_end(server_).size();
  send_all(server_, "still here");
  const std::string heard = receive_exactly(client_, 10);
  measured("client in {}, server in {}: {} bytes still go to the client",
           name_of(state_of(client_)), name_of(state_of(server_)), heard.size());
  EXPECT_EQ(0U, at_end);
  EXPECT_EQ("still here", heard);
  EXPECT_TRUE(has_flag(wire.segments_from(client_port_), &Segment::fin));
  EXPECT_EQ(TcpState::fin_wait2, state_of(client_));
  EXPECT_EQ(TcpState::close_wait, state_of(server_));
}

TEST_F(Shutdown, does_not_wait_for_the_last_descriptor) {
  const OwnedFd copy(::fcntl(client_.get(), F_DUPFD_CLOEXEC, 0));
  send_fin(client_);
  await_event(server_, POLLIN);
  const int error = try_send(copy, "x");
  measured("FIN sent while a duplicate is open; the duplicate's send(): {}",
           net::errno_name(error));
  EXPECT_EQ(TcpState::close_wait, state_of(server_));
  EXPECT_EQ(EPIPE, error);
}

TEST_F(Shutdown, of_reading_sends_nothing_and_does_not_even_stop_the_reading) {
  net::Capture& wire = capture();
  ASSERT_EQ(0, ::shutdown(client_.get(), SHUT_RD));
  const size_t segments = wire.segments().size();
  const size_t at_once = receive_some(client_).size();
  send_all(server_, "late");
  await("the acknowledgement", [&] { return unacknowledged_bytes(server_) == 0; });
  const std::string heard = receive_some(client_);
  measured(
      "{} segments sent; recv() returns {} while there is nothing, then {} bytes that came "
      "later",
      segments, at_once, heard.size());
  EXPECT_EQ(0U, segments);
  EXPECT_EQ(0U, at_once);
  EXPECT_EQ("late", heard);
}

TEST_F(Shutdown, is_seen_by_poll_as_rdhup_and_as_hup_once_both_directions_ended) {
  const auto events_of = [](const OwnedFd& socket) {
    pollfd look{socket.get(), POLLIN | POLLRDHUP, 0};
    ::poll(&look, 1, 0);
    return look.revents;
  };
  send_fin(client_);
  await_event(server_, POLLIN);
  const int half = events_of(server_);
  send_fin(server_);
  await_state(server_, TcpState::close);
  const int both = events_of(server_);
  measured("after the peer's FIN POLLIN{}{}, after both POLLIN{}{}",
           half & POLLRDHUP ? " POLLRDHUP" : "", half & POLLHUP ? " POLLHUP" : "",
           both & POLLRDHUP ? " POLLRDHUP" : "", both & POLLHUP ? " POLLHUP" : "");
  EXPECT_EQ(POLLIN | POLLRDHUP, half);
  EXPECT_EQ(POLLIN | POLLRDHUP | POLLHUP, both);
}

TEST_F(Shutdown, of_reading_ends_a_listener) {
  const OwnedFd waiting = connect_to(local_of(listener_));
  ASSERT_EQ(0, ::shutdown(listener_.get(), SHUT_RD));
  const int accepted = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
  const int error = accepted < 0 ? errno : 0;
  const int refused = try_connect(tcp_socket(), local_of(server_));
  const int reset = try_receive(waiting);
  measured("accept(): {}; a new client: {}; one that waited: {}", net::errno_name(error),
           net::errno_name(refused), net::errno_name(reset));
  EXPECT_EQ(EINVAL, error);
  EXPECT_EQ(ECONNREFUSED, refused);
  EXPECT_EQ(ECONNRESET, reset);
}

TEST_F(Close, sends_fin_only_with_the_last_descriptor) {
  OwnedFd copy(::fcntl(client_.get(), F_DUPFD_CLOEXEC, 0));
  net::Capture& wire = capture();
  client_.reset();
  const size_t segments = wire.segments().size();
  const bool usable = try_send(copy, "x") == 0;
  copy.reset();
  await("the FIN", [&] { return has_flag(wire.segments_from(client_port_), &Segment::fin); });
  measured("{} segments after the first close(), the duplicate {}; FIN after the second", segments,
           usable ? "still sends" : "is dead");
  EXPECT_EQ(0U, segments);
  EXPECT_TRUE(usable);
}

TEST_F(Close, waits_for_a_child_that_inherited_the_descriptor) {
  int gate[2];
  ASSERT_EQ(0, ::pipe2(gate, O_CLOEXEC));
  OwnedFd read_end(gate[0]), write_end(gate[1]);
  const pid_t child = ::fork();
  ASSERT_LE(0, child);
  if (child == 0) {  // holds the connection until the gate closes
    ::close(gate[1]);
    char byte = 0;
    (void)!::read(gate[0], &byte, 1);
    ::_exit(0);
  }
  client_.reset();
  const bool ended_before = has_event(server_, POLLIN, kSoon);
  write_end.reset();
  await_event(server_, POLLIN);
  int status = 0;
  ::waitpid(child, &status, 0);
  measured("the peer hears {} after close(), and the FIN when the child ends",
           ended_before ? "FIN" : "nothing");
  EXPECT_FALSE(ended_before);
  EXPECT_EQ("", receive_some(server_));
}

TEST_F(Close, returns_at_once_and_the_kernel_delivers_what_is_left) {
  const std::string body(200'000, 'x');
  deafen(server_);  // so that nothing is delivered before the close()
  set_option(client_, SOL_SOCKET, SO_SNDBUF, 1 << 20);
  const size_t sent = static_cast<size_t>(
      ::send(client_.get(), body.data(), body.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  client_.reset();
  const bool orphaned = client_is(TcpState::fin_wait1);
  hear_again(server_);
  const size_t received = receive_until_end(server_).size();
  measured("{} bytes in the send buffer at close(), {} received", sent, received);
  EXPECT_TRUE(orphaned);
  EXPECT_EQ(sent, received);
}

TEST_F(Close, with_unread_input_resets_the_connection) {
  net::Capture& wire = capture();
  send_to_server("GET / HTTP/1.1\r\n\r\n");
  const uint64_t before = counter("TcpExt", "TCPAbortOnClose");
  server_.reset();
  await_event(client_, POLLIN);
  const int error = try_receive(client_);
  const uint64_t aborts = counter("TcpExt", "TCPAbortOnClose") - before;
  measured("RST at once, the peer reads {}, TCPAbortOnClose +{}", net::errno_name(error), aborts);
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_EQ(1U, aborts);
  EXPECT_TRUE(has_flag(wire.segments(), &Segment::rst));
  EXPECT_FALSE(has_flag(wire.segments(), &Segment::fin));
}

// The reply was sent whole before, and waits unread at the client when the RST comes.
TEST_F(Close, with_unread_input_does_not_take_back_what_the_peer_has_received) {
  send_to_server("two requests, one of them never read");
  send_all(server_, "reply");
  await("the acknowledgement", [&] { return unacknowledged_bytes(server_) == 0; });
  server_.reset();
  await("the reset", [&] { return state_of(client_) == TcpState::close; });
  std::string heard(5, '\0');
  const ssize_t first = ::recv(client_.get(), heard.data(), heard.size(), 0);
  const int error = try_receive(client_);
  measured("after the RST recv() returns {}, then {}", first, net::errno_name(error));
  EXPECT_EQ(5, first);
  EXPECT_EQ(ECONNRESET, error);
}

TEST_F(CloseAgainstShutdown, after_close_the_replies_are_lost) {
  net::Capture& wire = capture();
  send_to_server("three requests");
  client_.reset();
  await_state(server_, TcpState::close_wait);
  receive_exactly(server_, 14);
  struct sigaction count {
  }, old{};
  count.sa_handler = [](int) { sigpipes_seen = sigpipes_seen + 1; };
  ::sigaction(SIGPIPE, &count, &old);
  sigpipes_seen = 0;
  const ssize_t first = ::send(server_.get(), "reply 1", 7, 0);
  await_state(server_, TcpState::close);  // by the RST
  const int signals_before = sigpipes_seen;
  const ssize_t second = ::send(server_.get(), "reply 2", 7, 0);
  const int error = second < 0 ? errno : 0;
  ::sigaction(SIGPIPE, &old, nullptr);
  measured("first reply: send() = {}, answered with RST; second: {}, SIGPIPE {}", first,
           net::errno_name(error), sigpipes_seen);
  EXPECT_EQ(7, first);
  EXPECT_EQ(0, signals_before);
  EXPECT_EQ(EPIPE, error);
  EXPECT_EQ(1, sigpipes_seen);
  EXPECT_TRUE(has_flag(wire.segments_from(client_port_), &Segment::rst));
  EXPECT_TRUE(client_is_gone());
}

TEST_F(CloseAgainstShutdown, after_shutdown_all_replies_arrive) {
  send_all(client_, "three requests");
  send_fin(client_);
  const std::string requests = receive_until_end(server_);
  for (int i = 0; i < 3; ++i) send_all(server_, "reply!");
  server_.reset();
  const std::string replies = receive_until_end(client_);
  measured("{} bytes of requests, {} bytes of replies", requests.size(), replies.size());
  EXPECT_EQ("three requests", requests);
  EXPECT_EQ(18U, replies.size());
}

// What a server does that refuses a request body: FIN first, then it reads away what still comes.
TEST_F(CloseAgainstShutdown, a_lingering_close_saves_the_last_reply_from_the_reset) {
  send_to_server("a body that nobody wants");
  send_all(server_, "413 Content Too Large");
  send_fin(server_);
  std::thread drain([&] { receive_until_end(server_); });
  for (int i = 0; i < 10; ++i) send_all(client_, std::string(10'000, 'x'));
  const std::string reply = receive_until_end(client_);
  client_.reset();
  drain.join();
  measured("the client sends 100,000 bytes more and reads its reply of {} bytes", reply.size());
  EXPECT_EQ("413 Content Too Large", reply);
}

TEST_F(Linger, of_zero_resets_and_leaves_no_time_wait) {
  net::Capture& wire = capture();
  const uint64_t before = counter("TcpExt", "TCPAbortOnData");
  reset_close(client_);
  await_event(server_, POLLIN);
  const int error = try_receive(server_);
  const uint64_t aborts = counter("TcpExt", "TCPAbortOnData") - before;
  measured("{}; the peer reads {}; sockets left at the client's port: {}; TCPAbortOnData +{}",
           flags_of(wire.segments()), net::errno_name(error), states_of(client_port_).size(),
           aborts);
  EXPECT_EQ("RST,ACK", flags_of(wire.segments()));
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_TRUE(client_is_gone());
  EXPECT_EQ(1U, aborts);
}

TEST_F(Linger, of_zero_drops_what_is_in_the_send_buffer) {
  deafen(server_);
  send_all(client_, "lost");
  const size_t held = unacknowledged_bytes(client_);
  set_linger(client_, true, 0);
  hear_again(server_);  // of the RST
  client_.reset();
  await_event(server_, POLLIN);
  const int error = try_receive(server_);
  measured("{} bytes held at close(); the peer reads {}", held, net::errno_name(error));
  EXPECT_EQ(4U, held);
  EXPECT_EQ(ECONNRESET, error);
}

TEST_F(Linger, blocks_close_until_all_is_acknowledged) {
  deafen(server_);
  send_all(client_, "slow");
  set_linger(client_, true, 60);
  std::thread hearer([&] {
    await("FIN_WAIT1", [&] { return client_is(TcpState::fin_wait1); });
    hear_again(server_);
  });
  const Stopwatch watch;
  client_.reset();
  const double seconds = watch.seconds();
  const bool acknowledged = !client_is(TcpState::fin_wait1);
  hearer.join();
  const std::string heard = receive_until_end(server_);
  measured("close() with {{1,60}} blocks {:.0f} ms, until all is acknowledged", seconds * 1e3);
  EXPECT_TRUE(acknowledged);
  EXPECT_EQ("slow", heard);
  EXPECT_LT(seconds, 30);
}

TEST_F(Linger, blocks_close_of_a_nonblocking_socket_too_for_the_time_given) {
  deafen(server_);
  send_all(client_, "never");
  set_nonblocking(client_);
  set_linger(client_, true, 1);
  const Stopwatch watch;
  client_.reset();
  const double seconds = watch.seconds();
  const bool goes_on = client_is(TcpState::fin_wait1);
  measured("close() with {{1,1}} and O_NONBLOCK blocks {:.1f} s, then the kernel {}", seconds,
           goes_on ? "goes on sending" : "has given up");
  EXPECT_GT(seconds, 0.9);
  EXPECT_TRUE(goes_on);
}

}  // namespace
}  // namespace notes
