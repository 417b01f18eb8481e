// The ring and its buffers: a full submission queue, buffers running out, and their return.
#include "common/net/ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <set>
#include <string>

#include "common/net/owned_fd.h"

namespace net {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

std::unique_ptr<Ring> small_ring() {
  auto ring = Ring::open({.submissions = 4, .completions = 8});
  if (!ring) ADD_FAILURE() << ring.error().message();
  return std::move(*ring);
}

TEST(Ring, loses_nothing_when_both_queues_are_full) {
  auto ring = small_ring();
  constexpr unsigned kOperations = 1000;  // 4 submission and 8 completion entries
  for (unsigned i = 0; i < kOperations; ++i) {
    io_uring_sqe* sqe = ring->next_entry();
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data64(sqe, i);
  }
  std::set<uint64_t> seen;
  while (seen.size() < kOperations) {
    ring->submit_and_wait(kPatience);
    const unsigned count = ring->for_each_completion(
        [&](const io_uring_cqe& cqe) { EXPECT_TRUE(seen.insert(cqe.user_data).second); });
    ASSERT_GT(count, 0u) << "nothing came any more after " << seen.size();
  }
}

TEST(Ring, a_restricted_ring_refuses_what_it_was_not_made_for) {
  constexpr std::array<uint8_t, 2> kOperations = {IORING_OP_NOP, IORING_OP_READ};
  auto opened = Ring::open({.submissions = 4, .completions = 8}, kOperations);
  ASSERT_TRUE(opened) << opened.error().message();
  Ring& ring = **opened;
  const auto outcome = [&ring] {
    int result = -ETIME;
    ring.submit_and_wait(kPatience);
    ring.for_each_completion([&](const io_uring_cqe& cqe) { result = cqe.res; });
    return result;
  };
  io_uring_prep_nop(ring.next_entry());
  EXPECT_EQ(outcome(), 0);
  io_uring_prep_openat(ring.next_entry(), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
  EXPECT_EQ(outcome(), -EACCES);
  io_uring_prep_socket(ring.next_entry(), AF_INET, SOCK_STREAM, 0, 0);
  EXPECT_EQ(outcome(), -EACCES);
  EXPECT_EQ(io_uring_register_iowq_aff(ring.raw(), 0, nullptr), -EACCES);
}

TEST(Ring, keeps_a_chain_together) {
  auto ring = small_ring();
  io_uring_prep_nop(ring->next_entry());
  io_uring_prep_nop(ring->next_entry());
  io_uring_prep_nop(ring->next_entry());
  ring->reserve(2);
  EXPECT_GE(io_uring_sq_space_left(ring->raw()), 2u);
}

TEST(Ring, waits_no_longer_than_asked) {
  auto ring = small_ring();
  ring->submit_and_wait(std::chrono::milliseconds(1));
  EXPECT_EQ(ring->for_each_completion([](const io_uring_cqe&) {}), 0u);
}

class Receiving : public testing::Test {
 protected:
  static constexpr unsigned kBuffers = 2;
  static constexpr unsigned kBufferBytes = 16;

  void SetUp() override {
    ring_ = small_ring();
    auto buffers = BufferRing::create(*ring_, 5, kBuffers, kBufferBytes);
    ASSERT_TRUE(buffers) << buffers.error().message();
    buffers_ = std::move(*buffers);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    near_.reset(ends[0]);
    far_.reset(ends[1]);
  }

  void arm() {
    io_uring_sqe* sqe = ring_->next_entry();
    io_uring_prep_recv_multishot(sqe, near_.get(), nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = buffers_->group();
  }

  void send(const std::string& text) {
    ASSERT_EQ(::write(far_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // What has come in, until the receive ends or `bytes` are there; buffers are kept if asked.
  std::string receive(size_t bytes, bool give_back) {
    std::string text;
    ended_with_ = 0;
    while (text.size() < bytes && ended_with_ == 0) {
      ring_->submit_and_wait(kPatience);
      const unsigned count = ring_->for_each_completion([&](const io_uring_cqe& cqe) {
        if (cqe.res > 0) {
          const auto part = buffers_->received(cqe);
          text.append(part.data(), part.size());
          if (give_back) {
            buffers_->give_back(cqe);
          } else {
            kept_.push_back(cqe);
          }
        }
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) ended_with_ = cqe.res;
      });
      if (count == 0) break;
    }
    return text;
  }

  std::unique_ptr<Ring> ring_;
  std::unique_ptr<BufferRing> buffers_;
  OwnedFd near_, far_;
  std::vector<io_uring_cqe> kept_;
  int ended_with_ = 0;
};

TEST_F(Receiving, goes_round_the_buffers_again_and_again) {
  arm();
  for (int i = 0; i < 50; ++i) {
    const std::string text = "message " + std::to_string(i);
    send(text);
    ASSERT_EQ(receive(text.size(), true), text);
  }
}

TEST_F(Receiving, ends_with_enobufs_and_goes_on_when_buffers_are_back) {
  arm();
  const std::string text(kBuffers * kBufferBytes + 5, 'x');
  send(text);
  const std::string got = receive(text.size(), false);
  EXPECT_EQ(got.size(), kBuffers * kBufferBytes);
  EXPECT_EQ(ended_with_, -ENOBUFS);
  for (const io_uring_cqe& cqe : kept_) buffers_->give_back(cqe);
  arm();
  EXPECT_EQ(receive(5, true), "xxxxx") << "what could not be received waited in the socket";
}

TEST_F(Receiving, has_more_buffers_each_time_they_have_run_out) {
  auto buffers = BufferRing::create(*ring_, 6, 8, kBufferBytes, 1);
  ASSERT_TRUE(buffers) << buffers.error().message();
  buffers_ = std::move(*buffers);
  send(std::string(9 * kBufferBytes, 'x'));
  for (const size_t buffers_there : {1, 2, 4, 8, 8}) {
    arm();
    const size_t kept = kept_.size();
    const std::string got = receive(9 * kBufferBytes, false);
    EXPECT_EQ(ended_with_, -ENOBUFS);
    EXPECT_EQ(got.size(), (buffers_there - kept) * kBufferBytes);
    buffers_->ran_out();
  }
}

TEST(RingAdvice, names_the_sysctl_or_the_limit) {
  EXPECT_FALSE(ring_setup_advice(EPERM).empty());
  EXPECT_FALSE(ring_setup_advice(ENOSYS).empty());
  EXPECT_NE(ring_setup_advice(EMFILE).find("RLIMIT_NOFILE"), std::string::npos);
}

}  // namespace
}  // namespace net
