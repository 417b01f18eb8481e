// Who may read from the disk: so many at a time, in the order of their coming, and no place is lost
// by those who leave.
#include "server/send/disk_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace {

using ringserve::send::DiskQueue;
using Place = DiskQueue::Place;

struct DiskQueueTest : ::testing::Test {
  // The owner that was called last, and has not come yet; 0: nobody.
  uint64_t called() {
    if (runnable.empty()) return 0;
    const uint64_t owner = runnable.front();
    runnable.erase(runnable.begin());
    return owner;
  }
  bool enter(uint64_t owner) { return queue.enter(owner, places[owner]); }
  void leave(uint64_t owner) { queue.leave(owner, places[owner]); }

  std::vector<uint64_t> runnable;
  DiskQueue queue{2, runnable};
  std::map<uint64_t, Place> places;
};

TEST_F(DiskQueueTest, as_many_as_there_is_room_for_read_and_the_others_wait_in_order) {
  EXPECT_TRUE(enter(1));
  EXPECT_TRUE(queue.has_room());
  EXPECT_TRUE(enter(2));
  EXPECT_FALSE(queue.has_room());
  EXPECT_FALSE(enter(3));
  EXPECT_FALSE(enter(4));
  leave(2);
  EXPECT_EQ(called(), 3U);
  EXPECT_TRUE(enter(3));
  leave(1);
  EXPECT_EQ(called(), 4U);
  EXPECT_TRUE(enter(4));
  EXPECT_EQ(called(), 0U);
  EXPECT_EQ(queue.readers(), 2U);
}

TEST_F(DiskQueueTest, who_comes_again_stands_behind_those_who_wait) {
  enter(1);
  enter(2);
  enter(3);
  leave(1);
  EXPECT_FALSE(enter(1));  // its next window: 3 has been called, and not come yet
  EXPECT_EQ(called(), 3U);
  EXPECT_TRUE(enter(3));
  leave(3);
  EXPECT_EQ(called(), 1U);
}

TEST_F(DiskQueueTest, who_runs_for_another_reason_keeps_its_place_in_line) {
  enter(1);
  enter(2);
  EXPECT_FALSE(enter(3));
  EXPECT_FALSE(enter(4));
  EXPECT_FALSE(enter(4));
  leave(1);
  EXPECT_EQ(called(), 3U);
}

TEST_F(DiskQueueTest, who_leaves_the_line_is_not_called) {
  enter(1);
  enter(2);
  enter(3);
  enter(4);
  leave(3);
  leave(1);
  EXPECT_EQ(called(), 4U);
  EXPECT_EQ(called(), 0U);
}

TEST_F(DiskQueueTest, who_was_called_and_leaves_hands_its_place_on) {
  enter(1);
  enter(2);
  enter(3);
  enter(4);
  leave(1);
  EXPECT_EQ(called(), 3U);
  leave(3);  // without having read
  EXPECT_EQ(called(), 4U);
  EXPECT_TRUE(enter(4));
}

TEST_F(DiskQueueTest, leaving_twice_or_without_a_place_is_nothing) {
  leave(1);
  enter(1);
  leave(1);
  leave(1);
  EXPECT_EQ(queue.readers(), 0U);
}

// Whatever they do: never too many, and nobody waits while there is room.
TEST_F(DiskQueueTest, no_place_is_ever_lost) {
  std::mt19937 random(1);
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t owner = 1 + random() % 8;
    if (places[owner] == Place::reading || random() % 4 == 0) {
      leave(owner);
    } else {
      enter(owner);
    }
    while (const uint64_t next = called()) {
      if (random() % 2 == 0) leave(next);
      else if (places[next] == Place::waiting) enter(next);
    }
    ASSERT_LE(queue.readers(), 2U);
    if (queue.readers() < 2) {
      ASSERT_EQ(queue.waiting(), 0U);
    }
  }
  for (uint64_t owner = 1; owner <= 8; ++owner) leave(owner);
  EXPECT_EQ(queue.readers(), 0U);
}

}  // namespace
