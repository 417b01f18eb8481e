// The queue between a worker and the writer of the log: in order, bounded, whole lines.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>

#include "server/log/block_queue.h"

namespace ringserve::log {
namespace {

constexpr size_t kBlockBytes = BlockQueue::kBlockBytes;

bool put(BlockQueue& queue, std::string_view line) {
  char* const at = queue.reserve(line.size());
  if (at == nullptr) return false;
  std::memcpy(at, line.data(), line.size());
  queue.commit(line.size());
  return true;
}

std::string take(BlockQueue& queue) {
  std::string all;
  for (auto lines = queue.readable(); !lines.empty(); lines = queue.readable()) {
    all += lines;
    queue.consume(lines.size());
  }
  return all;
}

TEST(AccessLogQueue, shows_what_was_published_and_no_more) {
  BlockQueue queue;
  EXPECT_TRUE(queue.readable().empty());
  ASSERT_TRUE(put(queue, "one\n"));
  EXPECT_TRUE(queue.readable().empty());
  EXPECT_FALSE(queue.publish()) << "no block is full: nobody needs to be woken";
  ASSERT_TRUE(put(queue, "two\n"));
  EXPECT_EQ(take(queue), "one\n");
  queue.publish();
  EXPECT_EQ(take(queue), "two\n");
  EXPECT_TRUE(queue.readable().empty());
}

TEST(AccessLogQueue, a_room_that_is_not_committed_is_given_again) {
  BlockQueue queue;
  ASSERT_NE(queue.reserve(100), nullptr);
  ASSERT_TRUE(put(queue, "line\n"));
  queue.publish();
  EXPECT_EQ(take(queue), "line\n");
}

TEST(AccessLogQueue, consuming_a_part_leaves_the_rest) {
  BlockQueue queue;
  ASSERT_TRUE(put(queue, "one\ntwo\n"));
  queue.publish();
  queue.consume(4);
  EXPECT_EQ(queue.readable(), "two\n");
}

TEST(AccessLogQueue, a_full_block_is_announced_once_and_read_to_its_end) {
  BlockQueue queue;
  const std::string line(kBlockBytes / 2 - 10, 'x');
  ASSERT_TRUE(put(queue, line));
  ASSERT_TRUE(put(queue, line));
  EXPECT_FALSE(queue.publish());
  const std::string longer(21, 'y');  // the block has room for twenty
  ASSERT_TRUE(put(queue, longer));
  EXPECT_TRUE(queue.publish());
  EXPECT_FALSE(queue.publish());
  EXPECT_EQ(queue.readable().size(), 2 * line.size()) << "a line does not cross blocks";
  EXPECT_EQ(take(queue), line + line + longer);
}

TEST(AccessLogQueue, refuses_what_has_no_room_until_there_is_some) {
  BlockQueue queue;
  EXPECT_FALSE(put(queue, std::string(kBlockBytes + 1, 'x'))) << "in no block";
  for (uint64_t i = 0; i < BlockQueue::kBlocks; ++i) {
    ASSERT_TRUE(put(queue, std::string(kBlockBytes, static_cast<char>('a' + i))));
  }
  EXPECT_FALSE(put(queue, "x"));
  queue.publish();
  ASSERT_EQ(queue.readable().size(), kBlockBytes);
  queue.consume(kBlockBytes - 1);
  EXPECT_FALSE(put(queue, "x")) << "a block is given back as a whole";
  EXPECT_EQ(queue.readable(), "a");
  queue.consume(1);
  EXPECT_EQ(queue.readable().front(), 'b');
  EXPECT_TRUE(put(queue, "x"));
  queue.publish();
  const std::string rest = take(queue);
  EXPECT_EQ(rest.size(), (BlockQueue::kBlocks - 1) * kBlockBytes + 1);
  EXPECT_EQ(rest.back(), 'x');
}

TEST(AccessLogQueue, two_threads_see_the_same_lines_in_the_same_order) {
  constexpr uint64_t kLines = 200'000;
  BlockQueue queue;
  std::thread maker([&queue] {
    for (uint64_t i = 0; i < kLines;) {
      if (put(queue, std::to_string(i) + '\n')) ++i;
      if (i % 7 == 0) queue.publish();
      if (queue.reserve(16) == nullptr) std::this_thread::yield();
    }
    queue.publish();
  });
  uint64_t taken = 0, wrong = 0;
  while (taken < kLines) {
    const std::string_view lines = queue.readable();
    if (lines.empty()) {
      std::this_thread::yield();
      continue;
    }
    const size_t end = lines.find('\n');
    wrong += lines.substr(0, end) != std::to_string(taken++);
    queue.consume(end + 1);
  }
  maker.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(queue.readable().empty());
}

}  // namespace
}  // namespace ringserve::log
