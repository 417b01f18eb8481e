// Reading a directory: what is listed, with which facts, and in which order.
#include "server/listing/directory.h"

#include <algorithm>
#include <ctime>

#include "tests/unit/listing_support.h"

namespace ringserve::listing {
namespace {

using files::FollowSymlinks;

class ListingDirectory : public testing::Test {
 protected:
  Directory read(const std::string& name = {}, size_t names_max = 1000) {
    const net::OwnedFd root = tree_.open();
    choice_.root_fd = root.get();
    choice_.names_max = names_max;
    Directory directory;
    EXPECT_EQ(0, read_directory(tree_.open(name).get(), choice_, ending_, directory));
    return directory;
  }
  // Directories with a slash at their end.
  std::vector<std::string> names(const std::string& name = {}) {
    std::vector<std::string> names;
    for (const Entry& entry : read(name).contents.entries) {
      names.push_back(entry.name + (entry.directory ? "/" : ""));
    }
    return names;
  }

  using Names = std::vector<std::string>;
  TemporaryDirectory tree_;
  Choice choice_;
  std::atomic<bool> ending_ = false;
};

TEST_F(ListingDirectory, has_files_and_directories_with_their_facts) {
  tree_.write("file", "twelve bytes");
  tree_.directory("sub");
  const Directory directory = read();
  ASSERT_EQ(directory.contents.entries.size(), 2U);
  const Entry& sub = directory.contents.entries[0];
  const Entry& file = directory.contents.entries[1];
  EXPECT_EQ(sub.name, "sub");
  EXPECT_TRUE(sub.directory);
  EXPECT_EQ(file.name, "file");
  EXPECT_FALSE(file.directory);
  EXPECT_EQ(file.size_bytes, 12U);
  struct stat facts {};
  ASSERT_EQ(0, ::stat((tree_.root() + "/file").c_str(), &facts));
  EXPECT_EQ(file.mtime_s, facts.st_mtim.tv_sec);
  EXPECT_TRUE(directory.announces_changes);
  EXPECT_EQ(directory.contents.unlisted, 0U);
}

// Its own time does not move when a file in it grows, but what the listing says does.
TEST_F(ListingDirectory, changes_when_a_file_in_it_does) {
  tree_.directory("sub");
  tree_.write("sub/file");
  const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(0, ::utimensat(AT_FDCWD, (tree_.root() + "/sub/file").c_str(), long_ago, 0));
  struct stat facts {};
  ASSERT_EQ(0, ::stat((tree_.root() + "/sub/file").c_str(), &facts));
  EXPECT_EQ(read("sub").contents.entries.at(0).mtime_s, 1000);
  EXPECT_GE(read("sub").changed_at_s, facts.st_ctim.tv_sec);
}

TEST_F(ListingDirectory, leaves_out_what_cannot_be_served) {
  tree_.write("file");
  ASSERT_EQ(0, ::mkfifo((tree_.root() + "/fifo").c_str(), 0644));
  ASSERT_EQ(0, ::mknod((tree_.root() + "/socket").c_str(), S_IFSOCK | 0644, 0));
  EXPECT_EQ(names(), Names{"file"});
}

TEST_F(ListingDirectory, hides_dot_names_unless_asked) {
  tree_.write(".hidden");
  tree_.directory(".well-known");
  tree_.write("file");
  EXPECT_EQ(names(), Names{"file"});
  choice_.hidden = true;
  EXPECT_EQ(names(), (Names{".well-known/", ".hidden", "file"}));
}

class ListingLinks : public ListingDirectory {
 protected:
  void SetUp() override {
    tree_.write("file", "four");
    tree_.directory("docs");
    tree_.directory("docs/sub");
    std::ofstream(tree_.outside() + "/secret") << "a secret";
    tree_.link("docs/up", "../file");
    tree_.link("docs/absolute", tree_.root() + "/file");
    tree_.link("docs/directory", "sub");
    tree_.link("docs/root", "..");
    tree_.link("docs/nowhere", "absent");
    tree_.link("docs/itself", "itself");
    tree_.link("docs/out", "../../secret");
    tree_.link("docs/absolute-out", tree_.outside() + "/secret");
    tree_.link("docs/above", "../..");
    tree_.link("docs/kernel", "/proc/self/exe");
  }
};

TEST_F(ListingLinks, that_stay_within_have_the_facts_of_their_target) {
  const Directory directory = read("docs");
  EXPECT_EQ(names("docs"), (Names{"directory/", "root/", "sub/", "absolute", "up"}));
  EXPECT_EQ(directory.contents.entries.at(3).size_bytes, 4U);
  EXPECT_EQ(directory.contents.entries.at(4).size_bytes, 4U);
  EXPECT_FALSE(directory.announces_changes);
}

TEST_F(ListingLinks, are_left_out_where_they_are_not_followed) {
  choice_.follow_symlinks = FollowSymlinks::never;
  EXPECT_EQ(names("docs"), Names{"sub/"});
  EXPECT_TRUE(read("docs").announces_changes);
}

TEST_F(ListingLinks, lead_anywhere_where_that_is_allowed) {
  choice_.follow_symlinks = FollowSymlinks::always;
  EXPECT_EQ(names("docs"), (Names{"above/", "directory/", "root/", "sub/", "absolute",
                                  "absolute-out", "kernel", "out", "up"}));
}

TEST_F(ListingLinks, are_left_out_where_the_root_is_not_known) {
  choice_.root_fd = -1;
  Directory directory;
  choice_.names_max = 100;
  ASSERT_EQ(0, read_directory(tree_.open("docs").get(), choice_, ending_, directory));
  ASSERT_EQ(directory.contents.entries.size(), 1U);
  EXPECT_EQ(directory.contents.entries[0].name, "sub");
}

// "/x/root-two" begins with "/x/root".
TEST_F(ListingDirectory, a_root_with_the_same_beginning_is_another_one) {
  std::filesystem::create_directory(tree_.outside() + "/root-two");
  tree_.link("out", "../root-two");
  EXPECT_EQ(names(), Names{});
}

TEST_F(ListingDirectory, more_names_than_allowed_are_counted) {
  for (const char* name : {"a", "b", "c", "d", "e", ".hidden"}) tree_.write(name);
  const Directory directory = read({}, 3);
  EXPECT_EQ(directory.contents.entries.size(), 3U);
  EXPECT_EQ(directory.contents.unlisted, 2U);
  EXPECT_TRUE(std::is_sorted(directory.contents.entries.begin(), directory.contents.entries.end(),
                             is_listed_before));
}

TEST_F(ListingDirectory, stops_when_told) {
  tree_.write("file");
  ending_ = true;
  Directory directory;
  EXPECT_EQ(ECANCELED, read_directory(tree_.open().get(), choice_, ending_, directory));
}

TEST_F(ListingDirectory, a_file_is_no_directory) {
  tree_.write("file");
  Directory directory;
  EXPECT_EQ(ENOTDIR, read_directory(tree_.open("file").get(), choice_, ending_, directory));
  EXPECT_EQ(EBADF, read_directory(-1, choice_, ending_, directory));
}

TEST(ListingOrder, is_the_one_people_expect) {
  std::vector<Entry> sorted{
      directory_entry("Beta"),
      directory_entry("zeta"),
      file_entry(""),
      file_entry("1"),
      file_entry("01"),
      file_entry("2"),
      file_entry("10"),
      file_entry("10a"),
      file_entry("99999999999999999999"),
      file_entry("100000000000000000000"),
      file_entry("Alpha"),
      file_entry("alpha"),
      file_entry("Beta"),
      file_entry("track 9.flac"),
      file_entry("track 10.flac"),
      file_entry("v1.2.10"),
      file_entry("v1.10.2"),
      file_entry("\xff"),
  };
  // "1" and "01" have one value: then the bytes decide.
  std::swap(sorted[3], sorted[4]);
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t j = 0; j < sorted.size(); ++j) {
      EXPECT_EQ(is_listed_before(sorted[i], sorted[j]), i < j)
          << sorted[i].name << " and " << sorted[j].name;
    }
  }
}

}  // namespace
}  // namespace ringserve::listing
