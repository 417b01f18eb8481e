// What PageCache says of files whose pages are there, were dropped, or were never read.
#include "server/send/page_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "common/net/owned_fd.h"

namespace ringserve::send {
namespace {

constexpr uint64_t kFileBytes = 1 << 20;

class PageCacheTest : public ::testing::Test {
 protected:
  PageCacheTest() {
    std::string name = ::testing::TempDir() + "page_cache_XXXXXX";
    file_.reset(::mkstemp(name.data()));
    ::unlink(name.c_str());
    const std::string bytes(kFileBytes, 'x');
    EXPECT_EQ(::write(file_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(kFileBytes));
    EXPECT_EQ(::fsync(file_.get()), 0);
  }

  void drop_pages() { ASSERT_EQ(::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED), 0); }

  void read_in(uint64_t bytes) {
    std::string sink(bytes, 0);
    ASSERT_EQ(::pread(file_.get(), sink.data(), bytes, 0), static_cast<ssize_t>(bytes));
  }

  // Memory file systems have nothing else than the page cache.
  bool can_be_dropped() {
    drop_pages();
    char byte = 0;
    iovec part{&byte, 1};
    return ::preadv2(file_.get(), &part, 1, 0, RWF_NOWAIT) < 0;
  }

  FileRange opened_as(uint64_t opening) const {
    return {nullptr, "file", file_.get(), 0, kFileBytes, opening};
  }

  net::OwnedFd file_;
  PageCache pages_;
};

TEST_F(PageCacheTest, pages_just_written_are_there) {
  EXPECT_TRUE(pages_.has(opened_as(1), 0, kFileBytes));
  EXPECT_TRUE(pages_.has(opened_as(1), 0, kFileBytes)) << "and remembered";
}

TEST_F(PageCacheTest, dropped_pages_are_not_there_until_they_are_read) {
  if (!can_be_dropped()) GTEST_SKIP() << "the temporary directory is in memory";
  EXPECT_FALSE(pages_.has(opened_as(1), 0, kFileBytes));
  read_in(kFileBytes);
  EXPECT_TRUE(pages_.has(opened_as(1), 0, kFileBytes)) << "that they were absent is not remembered";
}

TEST_F(PageCacheTest, what_was_seen_of_one_opening_says_nothing_of_another) {
  if (!can_be_dropped()) GTEST_SKIP() << "the temporary directory is in memory";
  read_in(kFileBytes);
  ASSERT_TRUE(pages_.has(opened_as(1), 0, kFileBytes));
  drop_pages();
  EXPECT_FALSE(pages_.has(opened_as(2), 0, kFileBytes));
}

TEST_F(PageCacheTest, what_was_seen_of_a_part_says_nothing_of_more) {
  if (!can_be_dropped()) GTEST_SKIP() << "the temporary directory is in memory";
  ASSERT_EQ(::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_RANDOM), 0);  // no read-ahead
  read_in(4096);
  ASSERT_TRUE(pages_.has(opened_as(1), 0, 4096));
  EXPECT_FALSE(pages_.has(opened_as(1), 0, kFileBytes));
}

}  // namespace
}  // namespace ringserve::send
