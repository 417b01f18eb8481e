// When small writes wait: Nagle's algorithm, the delayed acknowledgement that it meets, and the
// ways around both (09-small-segments.md).
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

#include "kernel-notes/experiment.h"

namespace notes {
namespace {

constexpr int kMss = 1448;  // of an MTU of 1500 with timestamps
constexpr int kRounds = 3;
const std::string kHead(100, 'h'), kBody(200, 'b');

class SmallSegments : public Experiment {
 protected:
  void SetUp() override {
    Experiment::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    set_mtu("lo", 1500);
    set_sysctl("net.ipv4.tcp_congestion_control", "reno");  // no pacing
    set_sysctl("net.ipv4.tcp_early_retrans", 0);            // no probe that carries new data
    set_sysctl("net.ipv4.tcp_autocorking", 0);
    open();
  }
  void open() {
    auto [client, server] = open_connection(listen_on(loopback()));
    client_ = std::move(client);
    server_ = std::move(server);
  }
  // The retransmission timer, by which also a cork is pulled, from now on for new connections.
  void open_with_rto(int microseconds) {
    set_sysctl("net.ipv4.tcp_rto_min_us", microseconds);
    open();
  }
  uint32_t unsent_bytes() const { return info_of(client_).tcpi_notsent_bytes; }
  void send_more(std::string_view bytes) const {  // MSG_MORE
    ASSERT_EQ(static_cast<ssize_t>(bytes.size()),
              ::send(client_.get(), bytes.data(), bytes.size(), MSG_MORE));
  }
  void cork(bool on) const { set_option(client_, IPPROTO_TCP, TCP_CORK, on); }
  void no_delay() const { set_option(client_, IPPROTO_TCP, TCP_NODELAY, 1); }
  void await_all_acknowledged() const {
    await("the acknowledgement", [&] { return unacknowledged_bytes(client_) == 0; });
  }
  // The receiver delays its acknowledgements, as it does once it has answered a request: with
  // TCP_QUICKACK off it is in "pingpong mode" at once, until an acknowledgement was late.
  void delay_acks() const { set_option(server_, IPPROTO_TCP, TCP_QUICKACK, 0); }

  // Shortest time of some rounds from the first write until the server has the whole request.
  template <typename Write>
  double time_of_request(Write write) const {
    double best_ms = 1e9;
    for (int round = 0; round < kRounds; ++round) {
      delay_acks();
      const Stopwatch watch;
      write();
      receive_exactly(server_, kHead.size() + kBody.size());
      best_ms = std::min(best_ms, watch.milliseconds());
      await_all_acknowledged();
    }
    return best_ms;
  }
  double time_of_two_writes() const {
    return time_of_request([&] {
      send_all(client_, kHead);
      send_all(client_, kBody);
    });
  }

  OwnedFd client_, server_;
};

class Nagle : public SmallSegments {};
class DelayedAck : public SmallSegments {};
class Cork : public SmallSegments {};

TEST_F(Nagle, allows_one_unacknowledged_small_segment) {
  net::Capture& wire = capture();
  deafen(server_);
  for (const char* byte : {"a", "b", "c"}) send_all(client_, byte);
  const uint32_t held = unsent_bytes();
  hear_again(server_);  // of the retransmission, which it acknowledges
  await_all_acknowledged();
  std::string sizes;
  for (const Segment& segment : wire.segments_from(local_of(client_).port())) {
    if (!segment.data.empty()) sizes += (sizes.empty() ? "" : ", ") + segment.data;
  }
  measured("three writes: {} bytes held until the ACK; segments: {}", held, sizes);
  EXPECT_EQ(2U, held);
  EXPECT_TRUE(sizes.ends_with(", bc")) << sizes;
}

TEST_F(Nagle, does_not_hold_the_tail_of_a_large_write) {
  deafen(server_);
  send_all(client_, std::string(2 * kMss + 100, 'x'));
  const uint32_t after_large = unsent_bytes();
  send_all(client_, "y");
  measured("{} bytes held after a write of 2 segments and 100 bytes, {} after one more byte",
           after_large, unsent_bytes());
  EXPECT_EQ(0U, after_large);
  EXPECT_EQ(1U, unsent_bytes());
}

TEST_F(Nagle, is_switched_off_by_tcp_nodelay) {
  no_delay();
  deafen(server_);
  for (const char* byte : {"a", "b", "c"}) send_all(client_, byte);
  measured("three writes: {} segments, {} bytes held", count_segments(client_), unsent_bytes());
  EXPECT_EQ(0U, unsent_bytes());
  EXPECT_LE(3U, count_segments(client_));
}

TEST_F(Nagle, lets_go_of_what_it_holds_when_nodelay_is_set) {
  deafen(server_);
  for (const char* byte : {"a", "b"}) send_all(client_, byte);
  const uint32_t before = unsent_bytes();
  no_delay();
  measured("{} byte held before, {} after", before, unsent_bytes());
  EXPECT_EQ(1U, before);
  EXPECT_EQ(0U, unsent_bytes());
}

TEST_F(DelayedAck, of_a_quiet_receiver_comes_after_some_40_ms) {
  double delay_ms = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    delay_acks();
    const Stopwatch watch;
    send_all(client_, "x");
    await_all_acknowledged();
    delay_ms = std::min(delay_ms, watch.milliseconds());
  }
  measured("{:.0f} ms, DelayedACKs {}", delay_ms, counter("TcpExt", "DelayedACKs"));
  EXPECT_GT(delay_ms, 20);
  EXPECT_LT(delay_ms, 150);
  EXPECT_LE(static_cast<uint64_t>(kRounds), counter("TcpExt", "DelayedACKs"));
}

TEST_F(DelayedAck, and_nagle_make_a_split_request_wait) {
  const double split_ms = time_of_two_writes();
  no_delay();
  const double no_delay_ms = time_of_two_writes();
  measured("two writes: {:.1f} ms; with TCP_NODELAY {:.2f} ms", split_ms, no_delay_ms);
  EXPECT_GT(split_ms, 20);
  EXPECT_LT(no_delay_ms, split_ms);
}

TEST_F(DelayedAck, does_not_matter_if_the_request_is_one_segment) {
  const double writev_ms = time_of_request([&] {
    iovec parts[] = {{const_cast<char*>(kHead.data()), kHead.size()},
                     {const_cast<char*>(kBody.data()), kBody.size()}};
    ASSERT_LT(0, ::writev(client_.get(), parts, 2));
  });
  const uint32_t writev_segments = count_segments(client_);
  const double cork_ms = time_of_request([&] {
    cork(true);
    send_all(client_, kHead);
    send_all(client_, kBody);
    cork(false);
  });
  const uint32_t cork_segments = count_segments(client_) - writev_segments;
  const double split_ms = time_of_two_writes();
  measured(
      "one writev() {:.2f} ms, corked {:.2f} ms, two writes {:.1f} ms; segments a request: "
      "{}, {}, 2",
      writev_ms, cork_ms, split_ms, writev_segments / kRounds, cork_segments / kRounds);
  EXPECT_LT(writev_ms, split_ms);
  EXPECT_LT(cork_ms, split_ms);
  EXPECT_EQ(1U, writev_segments / kRounds);
  EXPECT_EQ(1U, cork_segments / kRounds);
}

TEST_F(DelayedAck, is_not_there_at_first) {
  const Stopwatch watch;
  send_all(client_, kHead);
  send_all(client_, kBody);
  receive_exactly(server_, kHead.size() + kBody.size());
  await_all_acknowledged();
  const double first_ms = watch.milliseconds();
  const uint64_t delayed = counter("TcpExt", "DelayedACKs");
  measured("first request of a connection, two writes: {:.2f} ms, DelayedACKs {}", first_ms,
           delayed);
  EXPECT_EQ(0U, delayed);
}

TEST_F(DelayedAck, comes_back_after_tcp_quickack) {
  set_option(server_, IPPROTO_TCP, TCP_QUICKACK, 1);
  const int before = option_of(server_, IPPROTO_TCP, TCP_QUICKACK);
  int exchanges = 0;  // an answer within 40 ms of its request starts it: one, unless disturbed
  do {
    send_all(client_, "request");
    receive_some(server_);
    send_all(server_, "answer");
    receive_some(client_);
    ++exchanges;
  } while (option_of(server_, IPPROTO_TCP, TCP_QUICKACK) == 1 && exchanges < 100);
  const int after = option_of(server_, IPPROTO_TCP, TCP_QUICKACK);
  measured("TCP_QUICKACK reads {} when set, {} after {} exchange(s)", before, after, exchanges);
  EXPECT_EQ(1, before);
  EXPECT_EQ(0, after);
}

TEST_F(Cork, holds_a_partial_segment_until_it_is_pulled) {
  if (running_kernel() >= KernelVersion{6, 11}) open_with_rto(5'000'000);
  cork(true);
  for (int i = 0; i < 3; ++i) send_all(client_, kHead);
  const uint32_t held = unsent_bytes(), before = count_segments(client_);
  cork(false);
  measured("{} bytes held, {} segments; {} segment after", held, before, count_segments(client_));
  EXPECT_EQ(300U, held);
  EXPECT_EQ(0U, before);
  EXPECT_EQ(1U, count_segments(client_));
}

TEST_F(Cork, lets_full_segments_pass) {
  if (running_kernel() >= KernelVersion{6, 11}) open_with_rto(5'000'000);
  cork(true);
  send_all(client_, std::string(2 * kMss + 100, 'x'));
  const size_t passed = receive_exactly(server_, 2 * kMss).size();
  measured("{} bytes pass, {} are held", passed, unsent_bytes());
  EXPECT_EQ(100U, unsent_bytes());
}

TEST_F(Cork, is_stronger_than_nodelay) {
  if (running_kernel() >= KernelVersion{6, 11}) open_with_rto(5'000'000);
  no_delay();
  cork(true);
  send_all(client_, kHead);
  const uint32_t held = unsent_bytes();
  measured("{} bytes held with TCP_NODELAY and TCP_CORK", held);
  EXPECT_EQ(100U, held);
}

TEST_F(Cork, gives_way_after_200_ms) {
  cork(true);
  const Stopwatch watch;
  send_all(client_, kHead);
  await_event(server_, POLLIN);
  measured("a partial segment leaves after {:.0f} ms", watch.milliseconds());
  EXPECT_GT(watch.milliseconds(), 150);
}

TEST_F(Cork, gives_way_when_the_retransmission_timeout_is_over) {
  NEEDS_KERNEL(6, 11);
  open_with_rto(500'000);
  cork(true);
  const Stopwatch watch;
  send_all(client_, kHead);
  const uint32_t rto_us = info_of(client_).tcpi_rto;
  await_event(server_, POLLIN);
  measured("RTO {} ms: a partial segment leaves after {:.0f} ms", rto_us / 1000,
           watch.milliseconds());
  EXPECT_GT(watch.milliseconds(), 400);
}

TEST_F(Cork, of_one_call_is_msg_more) {
  if (running_kernel() >= KernelVersion{6, 11}) open_with_rto(5'000'000);
  send_more(kHead);
  const uint32_t held = unsent_bytes(), before = count_segments(client_);
  send_all(client_, kBody);
  measured("{} bytes held after MSG_MORE, {} segments; {} segment after the next send()", held,
           before, count_segments(client_));
  EXPECT_EQ(100U, held);
  EXPECT_EQ(0U, before);
  EXPECT_EQ(1U, count_segments(client_));
}

TEST_F(Cork, of_one_call_puts_a_header_before_a_file) {
  no_delay();
  const OwnedFd file(::memfd_create("body", MFD_CLOEXEC));
  ASSERT_EQ(static_cast<ssize_t>(kBody.size()), ::write(file.get(), kBody.data(), kBody.size()));
  const auto send_file = [&] {
    off_t offset = 0;
    ASSERT_LT(0, ::sendfile(client_.get(), file.get(), &offset, kBody.size()));
    receive_exactly(server_, kHead.size() + kBody.size());
  };
  send_all(client_, kHead);
  send_file();
  const uint32_t plain = count_segments(client_);
  send_more(kHead);
  send_file();
  const uint32_t joined = count_segments(client_) - plain;
  measured("header and sendfile(): {} segments; header with MSG_MORE: {}", plain, joined);
  EXPECT_EQ(2U, plain);
  EXPECT_EQ(1U, joined);
}

}  // namespace
}  // namespace notes
