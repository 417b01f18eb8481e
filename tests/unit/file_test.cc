// Open files: what is known of them without a disk, and where their descriptors go.
#include "server/files/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_tree.h"

namespace {

using namespace ringserve::files;

struct FileTest : ::testing::Test {
  net::OwnedFd open(const char* name) {
    return net::OwnedFd(::open(tree.path(name).c_str(), O_RDONLY | O_CLOEXEC));
  }
  support::TempTree tree;
  LeftToClose left;
};

TEST_F(FileTest, facts_without_the_disk_are_those_of_stat) {
  tree.fill("file", 12345);
  const net::OwnedFd fd = open("file");
  struct stat known {
  }, facts{};
  ASSERT_EQ(stat_without_disk(fd.get(), facts), 0);
  ASSERT_EQ(::fstat(fd.get(), &known), 0);
  EXPECT_EQ(Identity::of(facts), Identity::of(known));
  EXPECT_EQ(facts.st_mode, known.st_mode);
  EXPECT_EQ(facts.st_nlink, known.st_nlink);
  EXPECT_EQ(stat_without_disk(-1, facts), EBADF);
}

TEST_F(FileTest, a_descriptor_of_a_file_with_a_name_is_closed_at_once) {
  tree.write("file", "body");
  net::OwnedFd fd = open("file");
  const int number = fd.get();
  { const FileFd file(std::move(fd), &left); }
  EXPECT_TRUE(left.fds.empty());
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

TEST_F(FileTest, a_descriptor_of_a_file_without_a_name_is_left_to_close) {
  tree.write("file", "body");
  net::OwnedFd fd = open("file");
  const int number = fd.get();
  tree.remove("file");
  { const FileFd file(std::move(fd), &left); }
  ASSERT_EQ(left.fds.size(), 1U);
  EXPECT_EQ(left.fds[0].get(), number);
}

TEST_F(FileTest, so_is_every_descriptor_where_closing_always_waits) {
  tree.write("file", "body");
  FileFd file(open("file"), &left, true);
  FileFd other(open("file"), &left, true);
  other = std::move(file);
  EXPECT_EQ(left.fds.size(), 1U);
  other.reset();
  other.reset();
  EXPECT_EQ(left.fds.size(), 2U);
}

TEST_F(FileTest, without_anybody_to_close_it_a_descriptor_is_closed_at_once) {
  tree.write("file", "body");
  net::OwnedFd fd = open("file");
  const int number = fd.get();
  tree.remove("file");
  { const FileFd file(std::move(fd)); }
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

}  // namespace
