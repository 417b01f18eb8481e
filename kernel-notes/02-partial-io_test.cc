// How much one call moves: what ends a read or a write before all is done, and what the flags of
// recv(2) and send(2) change about it (02-partial-io.md).
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "kernel-notes/blocked_call.h"
#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr uint16_t kPort = 8080;
constexpr size_t kMiB = 1024 * 1024;
constexpr std::chrono::milliseconds kSoon{100};

Returned send_once(const OwnedFd& socket, std::string_view bytes, int flags = MSG_NOSIGNAL) {
  return just(::send(socket.get(), bytes.data(), bytes.size(), flags));
}
Returned receive_once(const OwnedFd& socket, std::string& buffer, int flags = 0) {
  return just(::recv(socket.get(), buffer.data(), buffer.size(), flags));
}

// Bytes of which each says where it belongs.
std::string numbered_bytes(size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>('a' + i / 7 % 26);
  return bytes;
}

class PartialIo : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    listener_ = listen_on(loopback(kPort));
    auto pair = open_connection(listener_);
    client_ = std::move(pair.client);
    server_ = std::move(pair.server);
  }

  // Until the client can write no more, for good: nobody reads. POLLOUT is no proof of that, it
  // comes only when a third of the buffer is free.
  void fill_for_good() {
    do {
      fill_send_buffer(client_);
      has_event(client_, POLLOUT, kSoon);
    } while (fill_send_buffer(client_) > 0);
    set_nonblocking(client_, false);
  }

  OwnedFd listener_, client_, server_;
};
class PartialRead : public PartialIo {};
class PartialWrite : public PartialIo {};
class WaitAll : public PartialIo {};
class IoFlags : public PartialIo {};

// ---- Reading ----

TEST_F(PartialRead, a_read_returns_what_is_there) {
  send_all(client_, numbered_bytes(100));
  std::string buffer(1000, '\0');
  const Returned read = receive_once(server_, buffer);
  measured("recv() of 1000 returns {}: 100 were sent", read.text());
  EXPECT_EQ(100, read.bytes);
}

TEST_F(PartialRead, writes_have_no_boundaries) {
  send_all(client_, "GET / HT");
  send_all(client_, "TP/1.1\r\n");
  await("both writes", [&] { return unread_bytes(server_) == 16; });
  const std::string first = receive_some(server_, 10), second = receive_some(server_);
  measured("8 and 8 bytes written are read as {} and {}", first.size(), second.size());
  EXPECT_EQ("GET / HTTP", first);
  EXPECT_EQ("/1.1\r\n", second);
}

TEST_F(PartialRead, zero_means_that_the_peer_sent_fin_and_it_stays_zero) {
  send_all(client_, "last");
  send_fin(client_);
  const std::string data = receive_exactly(server_, 4);
  std::string buffer(10, '\0');
  const Returned first = receive_once(server_, buffer), second = receive_once(server_, buffer);
  const Returned answer = send_once(server_, "the other direction is open");
  measured("recv() {}, again {}; send() still {}", first.text(), second.text(), answer.text());
  EXPECT_EQ("last", data);
  EXPECT_EQ(0, first.bytes);
  EXPECT_EQ(0, second.bytes);
  EXPECT_EQ(27, answer.bytes);
}

TEST_F(PartialRead, a_read_of_no_bytes_returns_zero_too) {
  char byte = 0;
  const Returned read = just(::read(server_.get(), &byte, 0));
  measured("read() of 0 bytes returns {}, the connection is {}", read.text(),
           name_of(state_of(server_)));
  EXPECT_EQ(0, read.bytes);
  EXPECT_EQ(TcpState::established, state_of(server_));
}

TEST_F(PartialRead, rcvlowat_delays_readiness_until_there_is_enough) {
  set_option(server_, SOL_SOCKET, SO_RCVLOWAT, 10);
  send_all(client_, "123456789");
  await("9 bytes", [&] { return unread_bytes(server_) == 9; });
  const bool with_nine = has_event(server_, POLLIN, kSoon);
  send_all(client_, "0");
  const bool with_ten = has_event(server_, POLLIN, kPatience);
  measured("SO_RCVLOWAT 10: readable with 9 bytes {}, with 10 {}", with_nine, with_ten);
  EXPECT_FALSE(with_nine);
  EXPECT_TRUE(with_ten);
}

// signal(7): calls on a socket with a timeout are never restarted.
TEST_F(PartialRead, with_a_timeout_a_read_is_interrupted_whatever_sa_restart_says) {
  const CountedSignal signal(SIGUSR1, SA_RESTART);
  set_receive_timeout(server_, kPatience);
  std::string buffer(10, '\0');
  BlockedCall call(SYS_recvfrom, [&] { return receive_once(server_, buffer); });
  call.interrupt(SIGUSR1);
  const Returned read = call.result();
  measured("SO_RCVTIMEO and SA_RESTART: recv() {}", read.text());
  EXPECT_EQ(EINTR, read.error);
}

// ---- Writing ----

TEST_F(PartialWrite, send_returns_when_the_bytes_are_copied_not_when_they_arrive) {
  deafen(server_);
  const Returned sent = send_once(client_, numbered_bytes(10000));
  const size_t unacknowledged = unacknowledged_bytes(client_);
  measured("the peer hears nothing: send() {}, of which {} are unacknowledged", sent.text(),
           unacknowledged);
  EXPECT_EQ(10000, sent.bytes);
  EXPECT_EQ(10000U, unacknowledged);
}

TEST_F(PartialWrite, what_becomes_of_the_bytes_is_told_by_a_later_call_only) {
  const Returned sent = send_once(client_, "a request that nobody reads");
  await("the request", [&] { return unread_bytes(server_) > 0; });
  server_.reset();  // with unread input: RST
  await_event(client_, POLLHUP);
  const Returned next = send_once(client_, "x");
  measured("send() {}; after the peer reset the connection the next one says {}", sent.text(),
           next.text());
  EXPECT_EQ(27, sent.bytes);
  EXPECT_EQ(ECONNRESET, next.error);
}

TEST_F(PartialWrite, a_nonblocking_one_may_be_partial_and_then_says_eagain) {
  set_nonblocking(client_);
  const Returned first = send_once(client_, std::string(64 * kMiB, 'x'));
  fill_for_good();
  set_nonblocking(client_);
  const Returned last = send_once(client_, "x");
  measured("send() of 64 MiB takes {} KiB; when all is full: {}", first.bytes / 1024, last.text());
  EXPECT_LT(0, first.bytes);
  EXPECT_LT(first.bytes, static_cast<ssize_t>(64 * kMiB));
  EXPECT_EQ(EAGAIN, last.error);
}

TEST_F(PartialWrite, a_blocking_one_waits_until_all_is_taken) {
  const std::string bytes(16 * kMiB, 'x');
  BlockedCall call(SYS_sendto, [&] { return send_once(client_, bytes); });
  call.await_sleep();
  std::string discarded(kMiB, '\0');
  size_t reads = 0, received = 0;
  while (received < bytes.size()) {
    received += static_cast<size_t>(receive_once(server_, discarded, MSG_TRUNC).bytes);
    ++reads;
  }
  const Returned sent = call.result();
  measured("one send() of 16 MiB returns {}, after {} reads", sent.text(), reads);
  EXPECT_EQ(static_cast<ssize_t>(bytes.size()), sent.bytes);
  EXPECT_LT(1U, reads);
}

TEST_F(PartialWrite, a_signal_cuts_a_blocking_one_short_even_with_sa_restart) {
  const CountedSignal signal(SIGUSR1, SA_RESTART);
  const std::string bytes(64 * kMiB, 'x');
  BlockedCall call(SYS_sendto, [&] { return send_once(client_, bytes); });
  call.interrupt(SIGUSR1);
  const Returned sent = call.result();
  measured("send() of 64 MiB returns {} KiB, without an error", sent.bytes / 1024);
  EXPECT_LT(0, sent.bytes);
  EXPECT_LT(sent.bytes, static_cast<ssize_t>(bytes.size()));
}

TEST_F(PartialWrite, a_signal_before_the_first_byte_is_eintr) {
  const CountedSignal signal(SIGUSR1, 0);
  fill_for_good();
  BlockedCall call(SYS_sendto, [&] { return send_once(client_, "x"); });
  call.interrupt(SIGUSR1);
  const Returned sent = call.result();
  measured("send() with a full buffer: {}", sent.text());
  EXPECT_EQ(EINTR, sent.error);
}

TEST_F(PartialWrite, with_sa_restart_such_a_call_goes_on_unseen) {
  const CountedSignal signal(SIGUSR1, SA_RESTART);
  fill_for_good();
  BlockedCall call(SYS_sendto, [&] { return send_once(client_, "x"); });
  call.interrupt(SIGUSR1);
  call.await_sleep();
  while (has_event(server_, POLLIN, kSoon)) receive_some(server_, kMiB);
  const Returned sent = call.result();
  measured("after the signal it sleeps again; with room it returns {}, {} signal handled",
           sent.text(), signals_seen.load());
  EXPECT_EQ(1, sent.bytes);
  EXPECT_EQ(1, signals_seen.load());
}

TEST_F(PartialWrite, writev_stops_within_a_buffer) {
  const std::string head = numbered_bytes(1000), body = numbered_bytes(64 * kMiB);
  iovec parts[] = {{const_cast<char*>(head.data()), head.size()},
                   {const_cast<char*>(body.data()), body.size()}};
  set_nonblocking(client_);
  const Returned written = just(::writev(client_.get(), parts, 2));
  const auto of_body = static_cast<size_t>(written.bytes) - head.size();
  const std::string received = receive_exactly(server_, static_cast<size_t>(written.bytes));
  measured("of 1000 bytes and 64 MiB: all of the first, {} of the second", of_body);
  ASSERT_LT(of_body, body.size());
  EXPECT_EQ(received, head + body.substr(0, of_body));
}

// readn() and writen() of the books; here receive_exactly() and, without blocking, this loop.
TEST_F(PartialWrite, loops_on_both_sides_make_the_whole_of_the_parts) {
  const std::string whole = numbered_bytes(8 * kMiB);
  std::string received;
  std::thread reader([&] { received = receive_exactly(server_, whole.size()); });
  set_nonblocking(client_);
  std::string_view rest = whole;
  size_t writes = 0, waits = 0;
  for (; !rest.empty(); ++writes) {
    const Returned sent = send_once(client_, rest);
    if (sent.bytes > 0) rest.remove_prefix(static_cast<size_t>(sent.bytes));
    if (sent.error != 0 && sent.error != EAGAIN) break;
    if (sent.error == EAGAIN && ++waits) await_event(client_, POLLOUT);
  }
  reader.join();
  measured("8 MiB arrive as they were, after {} calls of send() and {} waits", writes, waits);
  EXPECT_TRUE(rest.empty());
  EXPECT_TRUE(received == whole);
  EXPECT_LT(1U, writes);
}

// ---- MSG_WAITALL ----

TEST_F(WaitAll, waits_for_all) {
  std::string buffer(10, '\0');
  BlockedCall call(SYS_recvfrom, [&] { return receive_once(server_, buffer, MSG_WAITALL); });
  send_all(client_, "12345");
  call.await_sleep();
  await("the first part to be taken", [&] { return unread_bytes(server_) == 0; });
  send_all(client_, "67890");
  const Returned read = call.result();
  measured("5 and 5 bytes: recv() of 10 returns {}", read.text());
  EXPECT_EQ(10, read.bytes);
  EXPECT_EQ("1234567890", buffer);
}

TEST_F(WaitAll, is_short_at_the_end_of_the_file) {
  std::string buffer(10, '\0');
  send_all(client_, "12345");
  send_fin(client_);
  const Returned read = receive_once(server_, buffer, MSG_WAITALL);
  measured("5 bytes and FIN: recv() of 10 returns {}", read.text());
  EXPECT_EQ(5, read.bytes);
}

TEST_F(WaitAll, is_short_after_a_signal) {
  const CountedSignal signal(SIGUSR1, SA_RESTART);
  std::string buffer(10, '\0');
  send_all(client_, "12345");
  BlockedCall call(SYS_recvfrom, [&] { return receive_once(server_, buffer, MSG_WAITALL); });
  await("the first part to be taken", [&] { return unread_bytes(server_) == 0; });
  call.interrupt(SIGUSR1);
  const Returned read = call.result();
  measured("5 bytes and a signal: recv() of 10 returns {}", read.text());
  EXPECT_EQ(5, read.bytes);
}

TEST_F(WaitAll, is_short_at_an_error_which_the_next_call_tells) {
  std::string buffer(10, '\0');
  send_all(client_, "12345");
  BlockedCall call(SYS_recvfrom, [&] { return receive_once(server_, buffer, MSG_WAITALL); });
  await("the first part to be taken", [&] { return unread_bytes(server_) == 0; });
  call.await_sleep();
  reset_close(client_);
  const Returned read = call.result(), next = receive_once(server_, buffer);
  measured("5 bytes and RST: recv() of 10 returns {}, the next {}", read.text(), next.text());
  EXPECT_EQ(5, read.bytes);
  EXPECT_EQ(ECONNRESET, next.error);
}

TEST_F(WaitAll, waits_for_nothing_on_a_nonblocking_socket) {
  std::string buffer(10, '\0');
  send_all(client_, "12345");
  await_event(server_, POLLIN);
  const Returned read = receive_once(server_, buffer, MSG_WAITALL | MSG_DONTWAIT);
  measured("5 bytes: recv() of 10 with MSG_DONTWAIT returns {}", read.text());
  EXPECT_EQ(5, read.bytes);
}

// ---- Other flags ----

TEST_F(IoFlags, peek_leaves_the_data) {
  send_all(client_, "12345");
  std::string first(5, '\0'), second(5, '\0');
  receive_once(server_, first, MSG_PEEK);
  receive_once(server_, second);
  const Returned third = receive_once(server_, second, MSG_DONTWAIT);
  measured("peeked \"{}\", read \"{}\", then {}", first, second, third.text());
  EXPECT_EQ("12345", first);
  EXPECT_EQ("12345", second);
  EXPECT_EQ(EAGAIN, third.error);
}

TEST_F(IoFlags, dontwait_is_eagain_for_one_call_and_the_socket_stays_blocking) {
  std::string buffer(10, '\0');
  const Returned read = receive_once(server_, buffer, MSG_DONTWAIT);
  const bool nonblocking = (::fcntl(server_.get(), F_GETFL) & O_NONBLOCK) != 0;
  measured("{}; O_NONBLOCK {}", read.text(), nonblocking);
  EXPECT_EQ(EAGAIN, read.error);
  EXPECT_FALSE(nonblocking);
}

TEST_F(IoFlags, oob_takes_one_byte_past_the_stream) {
  send_once(client_, "abc", MSG_OOB);
  await_event(server_, POLLPRI);
  std::string urgent(10, '\0'), normal(10, '\0');
  const Returned oob = receive_once(server_, urgent, MSG_OOB);
  const Returned rest = receive_once(server_, normal);
  urgent.resize(1), normal.resize(2);
  measured("\"abc\" with MSG_OOB: POLLPRI, {} urgent byte '{}', and \"{}\"", oob.text(), urgent,
           normal);
  EXPECT_EQ(1, oob.bytes);
  EXPECT_EQ("c", urgent);
  EXPECT_EQ(2, rest.bytes);
  EXPECT_EQ("ab", normal);
}

TEST_F(IoFlags, nosignal_is_epipe_without_sigpipe) {
  const CountedSignal signal(SIGPIPE, 0);
  send_fin(client_);
  const Returned sent = send_once(client_, "x", MSG_NOSIGNAL);
  const int with_flag = signals_seen;
  const Returned plain = send_once(client_, "x", 0);
  measured("{} and {} signals with the flag; {} and {} without", sent.text(), with_flag,
           plain.text(), signals_seen - with_flag);
  EXPECT_EQ(EPIPE, sent.error);
  EXPECT_EQ(0, with_flag);
  EXPECT_EQ(EPIPE, plain.error);
  EXPECT_EQ(1, signals_seen.load());
}

TEST_F(IoFlags, trunc_discards_without_copying) {
  send_all(client_, std::string(1000, 'x'));
  await("the bytes", [&] { return unread_bytes(server_) == 1000; });
  std::string buffer(600, '.');
  const Returned touched = receive_once(server_, buffer, MSG_TRUNC);
  const Returned without = just(::recv(server_.get(), nullptr, 400, MSG_TRUNC));
  const auto written = static_cast<size_t>(std::count(buffer.begin(), buffer.end(), 'x'));
  measured("recv() returns {}, {} bytes of the buffer were written; without a buffer {}; left {}",
           touched.text(), written, without.text(), unread_bytes(server_));
  EXPECT_EQ(600, touched.bytes);
  EXPECT_EQ(0U, written);
  EXPECT_EQ(400, without.bytes);
  EXPECT_EQ(0U, unread_bytes(server_));
}

}  // namespace
}  // namespace notes
