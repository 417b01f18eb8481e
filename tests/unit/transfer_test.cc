// Gathering replies, sending them in pieces, and the resources paths borrow.
#include "server/send/transfer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace ringserve::send {
namespace {

std::string content(Transfer& transfer) {
  std::string text;
  for (size_t i = 0; i < transfer.slice_count(); ++i) {
    text.append(static_cast<const char*>(transfer.slices()[i].iov_base),
                transfer.slices()[i].iov_len);
  }
  return text;
}

void add_head(Transfer& transfer, const std::string& head) {
  std::memcpy(transfer.free_space(), head.data(), head.size());
  transfer.commit(head.size());
}

TEST(Transfer, gathers_heads_and_small_bodies_into_one_slice) {
  Transfer transfer;
  const auto body = std::make_shared<std::string>("small");
  for (int i = 0; i < 10; ++i) {
    add_head(transfer, "head;");
    transfer.add_memory(*body, body);
  }
  EXPECT_EQ(transfer.slice_count(), 1u);
  EXPECT_EQ(content(transfer).size(), 100u);
  EXPECT_EQ(body.use_count(), 1) << "it was copied";
}

TEST(Transfer, refers_to_larger_bodies_and_keeps_them_alive) {
  Transfer transfer;
  auto body = std::make_shared<std::string>(Transfer::kCopiedBodyBytesMax + 1, 'x');
  add_head(transfer, "head;");
  transfer.add_memory(*body, body);
  EXPECT_EQ(transfer.slice_count(), 2u);
  EXPECT_EQ(body.use_count(), 2);
  transfer.reset();
  EXPECT_EQ(body.use_count(), 1);
  EXPECT_TRUE(transfer.empty());
}

TEST(Transfer, keeps_a_file_once_for_many_replies) {
  Transfer transfer;
  auto body = std::make_shared<std::string>(Transfer::kCopiedBodyBytesMax + 1, 'x');
  for (int i = 0; i < 5; ++i) transfer.add_memory(*body, body);
  EXPECT_EQ(transfer.slice_count(), 5u);
  EXPECT_EQ(body.use_count(), 2);
}

TEST(Transfer, copies_a_text_longer_than_its_arena) {
  Transfer transfer;
  const std::string text(2 * Transfer::kArenaBytes, 'y');
  transfer.add_copy(text);
  EXPECT_EQ(content(transfer), text);
}

TEST(Transfer, goes_on_where_a_short_send_stopped) {
  Transfer transfer;
  const auto body = std::make_shared<std::string>(Transfer::kCopiedBodyBytesMax * 2, 'b');
  add_head(transfer, "head;");
  transfer.add_memory(*body, body);
  std::string left = content(transfer);
  for (const size_t step : {size_t{1}, size_t{4}, size_t{3}, left.size() - 9, size_t{1}}) {
    transfer.memory_sent(step);
    left.erase(0, step);
    ASSERT_EQ(content(transfer), left);
  }
  EXPECT_TRUE(transfer.empty());
  EXPECT_EQ(transfer.sent_bytes(), 5 + body->size());
}

TEST(Transfer, has_no_room_when_its_slices_are_used_up) {
  Transfer transfer;
  const auto body = std::make_shared<std::string>(Transfer::kCopiedBodyBytesMax + 1, 'x');
  size_t replies = 0;
  while (transfer.room() > 0) {
    add_head(transfer, "h");
    transfer.add_memory(*body, body);
    ++replies;
  }
  EXPECT_EQ(replies, Transfer::kSlicesMax / 2);
}

TEST(PipePool, is_bounded_and_reuses_what_comes_back_empty) {
  PipePool pool(2, 1 << 16);
  Pipe first = pool.take();
  Pipe second = pool.take();
  ASSERT_TRUE(first.valid() && second.valid());
  EXPECT_GE(first.capacity_bytes, 4096u);
  EXPECT_FALSE(pool.take().valid()) << "two are out";
  const int fd = first.read_end.get();
  pool.give_back(std::move(first), true);
  Pipe again = pool.take();
  EXPECT_EQ(again.read_end.get(), fd);
  pool.give_back(std::move(again), false);
  EXPECT_EQ(pool.pipes(), 1u) << "a pipe with bytes in it is closed";
  EXPECT_TRUE(pool.take().valid()) << "and makes room for a new one";
  pool.give_back(std::move(second), true);
}

}  // namespace
}  // namespace ringserve::send
