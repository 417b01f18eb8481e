// The access log as a whole: what is written is there once, whole and in order, also while its file
// is moved away.
#include "tests/unit/threads/access_log_test.h"

#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "tests/support/patience.h"

namespace ringserve::log {
namespace {

using support::Deadline;

TEST_F(AccessLogTest, everything_is_written_at_the_end) {
  constexpr uint64_t kLines = 1000;
  open(path("log"), 2);
  for (uint64_t i = 0; i < kLines; ++i) {
    write(0, i);
    write(1, i);
  }
  end();
  const std::string text = content_of(path("log"));
  EXPECT_EQ(numbers(text, 0), counted_to(kLines));
  EXPECT_EQ(numbers(text, 1), counted_to(kLines));
  EXPECT_EQ(errors(), "");
}

TEST_F(AccessLogTest, a_lone_line_is_written_soon) {
  open(path("log"));
  write(0, 0);
  const Deadline deadline;
  while (numbers(content_of(path("log"))).empty()) ASSERT_FALSE(deadline.passed());
}

TEST_F(AccessLogTest, a_line_that_was_not_handed_over_is_written_at_the_end) {
  open(path("log"));
  Record record;
  record.target = "/forgotten";
  log_->channel(0).write(record);
  end();
  EXPECT_NE(content_of(path("log")).find("/forgotten"), std::string::npos);
}

TEST_F(AccessLogTest, a_file_is_appended_to_and_is_not_for_everybody) {
  std::ofstream(path("log")) << "before\n";
  open(path("log"));
  write(0, 0);
  open(path("new"));
  end();
  EXPECT_TRUE(content_of(path("log")).starts_with("before\n192.0.2.1"));
  struct stat facts {};
  ASSERT_EQ(::stat(path("new").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0137, 0u);
}

TEST_F(AccessLogTest, what_cannot_be_opened_is_an_error_that_names_it) {
  const auto error_of = [](const std::string& path) {
    const auto log = AccessLog::open(path, Format::common, 1);
    return log ? "" : log.error().message();
  };
  EXPECT_NE(error_of(path("none/log")).find("none/log: ENOENT"), std::string::npos);
  EXPECT_NE(error_of(directory_).find("EISDIR"), std::string::npos);
}

TEST_F(AccessLogTest, a_line_that_no_block_holds_is_dropped_and_counted) {
  open(path("log"));
  write(0, 0, BlockQueue::kBlockBytes);
  write(0, 1);
  EXPECT_EQ(log_->dropped(), 1u);
  EXPECT_EQ(log_->channel(0).dropped(), 1u);
  end();
  EXPECT_EQ(numbers(content_of(path("log"))), std::vector<uint64_t>{1});
  EXPECT_NE(errors().find("1 lines dropped"), std::string::npos) << errors();
}

TEST_F(AccessLogTest, two_workers_write_at_once) {
  const uint64_t kLines = support::scaled(100'000, 20'000);
  open(path("log"), 2);
  const auto work = [this, kLines](unsigned channel) {
    // What finds no room is tried again, so that every number is written once.
    for (uint64_t i = 0; i < kLines;) {
      const uint64_t dropped = log_->channel(channel).dropped();
      write(channel, i);
      if (log_->channel(channel).dropped() == dropped) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  end();
  const std::string text = content_of(path("log"));
  EXPECT_EQ(numbers(text, 0), counted_to(kLines));
  EXPECT_EQ(numbers(text, 1), counted_to(kLines));
}

TEST_F(AccessLogTest, reopening_loses_nothing_and_doubles_nothing) {
  constexpr int kTurns = 10;
  const uint64_t kLinesPerTurn = support::scaled(4000, 1000);
  open(path("log"));
  // Half of a turn's lines are on their way while the file is moved, the others while it is opened.
  std::atomic<uint64_t> allowed = 0;
  std::thread worker([&] {
    for (uint64_t i = 0; i < kTurns * kLinesPerTurn;) {
      if (i == allowed) {
        std::this_thread::yield();
        continue;
      }
      // A line that found no room is written again.
      const uint64_t dropped = log_->dropped();
      write(0, i);
      if (log_->dropped() == dropped) ++i;
    }
  });
  std::string text;
  const Deadline deadline;
  for (int turn = 0; turn < kTurns && !deadline.passed(); ++turn) {
    const std::string moved = path("log." + std::to_string(turn));
    allowed += kLinesPerTurn / 2;
    std::filesystem::rename(path("log"), moved);
    log_->reopen();
    allowed += kLinesPerTurn / 2;
    // From the moment there is a new file, the old one gets no more.
    while (!std::filesystem::exists(path("log")) && !deadline.passed()) std::this_thread::yield();
    text += content_of(moved);
  }
  allowed = kTurns * kLinesPerTurn;
  worker.join();
  end();
  EXPECT_FALSE(deadline.passed());
  text += content_of(path("log"));
  EXPECT_EQ(numbers(text), counted_to(kTurns * kLinesPerTurn));
}

TEST_F(AccessLogTest, the_old_file_stays_where_the_new_one_cannot_be_opened) {
  std::filesystem::create_directory(path("logs"));
  open(path("logs/log"));
  write(0, 0);
  std::filesystem::rename(path("logs"), path("moved"));
  log_->reopen();
  write(0, 1);
  end();
  EXPECT_EQ(numbers(content_of(path("moved/log"))), counted_to(2));
  EXPECT_NE(errors().find("ENOENT"), std::string::npos) << errors();
  EXPECT_NE(errors().find("the old file stays in use"), std::string::npos) << errors();
}

}  // namespace
}  // namespace ringserve::log
