// From a path to a file: index files, listings, links, what is refused, and what the cache trusts.
#include <fcntl.h>
#include <sys/resource.h>

#include <array>

#include "tests/unit/site_fixture.h"

namespace ringserve::files {
namespace {

TEST_F(SiteTest, a_file_is_found_with_its_facts) {
  tree().write("docs/a.css", "body {}");
  modified_at("docs/a.css", {1'700'000'000, 0});
  const FileRef found = file("docs/a.css");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->name, "docs/a.css");
  EXPECT_EQ(found->size_bytes, 7u);
  EXPECT_EQ(found->mtime_s, 1'700'000'000);
  EXPECT_TRUE(found->has_useful_mtime);
  EXPECT_EQ(found->etag, "\"17979cfe362a0000-7\"");
  EXPECT_EQ(found->description.text, description_of("docs/a.css", "text/css", -1, false));
  EXPECT_EQ(content_of(*found), "body {}");
}

TEST_F(SiteTest, what_is_no_file_is_not_found) {
  tree().write("file", "x");
  tree().fifo("fifo");
  tree().socket("socket");
  tree().directory("directory");
  for (const char* path : {"absent", "file/", "file/below", "fifo", "socket", "directory/", ""}) {
    EXPECT_EQ(look_up(path), Outcome::not_found) << path;
    EXPECT_EQ(lookup().file, nullptr);
  }
  EXPECT_EQ(look_up("directory"), Outcome::directory);
  EXPECT_EQ(look_up(std::string(300, 'n')), Outcome::not_found);
}

TEST_F(SiteTest, the_first_index_name_that_is_a_file_is_the_directory) {
  options().index_names = {"index.html", "index.css", "other.html"};
  tree().directory("docs/index.html");
  tree().write("docs/index.css", "second");
  tree().write("docs/other.html", "third");
  ASSERT_NE(file("docs/"), nullptr);
  EXPECT_EQ(file("docs/")->name, "docs/index.css");
  EXPECT_EQ(file(""), nullptr);
  tree().write("index.html", "root");
  ASSERT_NE(file(""), nullptr);
  EXPECT_EQ(content_of(*file("")), "root");
}

TEST_F(SiteTest, directories_without_index_are_opened_for_a_listing_where_that_is_wanted) {
  options().list_directories = true;
  tree().write("docs/a.css", "x");
  tree().write("indexed/index.html", "x");
  tree().write("file", "x");
  for (const char* path : {"docs/", ""}) {
    ASSERT_EQ(look_up(path), Outcome::listing) << path;
    const std::string below = *path == '\0' ? "docs/a.css" : "a.css";
    struct stat facts {};
    EXPECT_EQ(::fstatat(lookup().directory.get(), below.c_str(), &facts, 0), 0) << path;
    EXPECT_EQ(lookup().file, nullptr);
  }
  EXPECT_EQ(look_up("indexed/"), Outcome::file);
  EXPECT_FALSE(lookup().directory.valid()) << "the last look-up's is closed";
  EXPECT_EQ(look_up("docs"), Outcome::directory);
  EXPECT_EQ(look_up("file/"), Outcome::not_found);
  EXPECT_EQ(look_up("absent/"), Outcome::not_found);
}

TEST_F(SiteTest, a_listing_ends_when_an_index_file_appears_and_begins_when_it_goes) {
  options().list_directories = true;
  tree().directory("docs");
  EXPECT_EQ(look_up("docs/"), Outcome::listing);
  tree().write("docs/index.html", "x");
  EXPECT_EQ(look_up("docs/"), Outcome::file);
  tree().remove("docs/index.html");
  EXPECT_EQ(look_up("docs/"), Outcome::listing);
  EXPECT_EQ(site().cached_files(), 0u);
}

struct LinkPolicy {
  const char* name;
  FollowSymlinks follow;
  Lookup::Outcome inside, outside;
};

class SiteLinks : public SiteTest, public ::testing::WithParamInterface<LinkPolicy> {};

TEST_P(SiteLinks, links_are_followed_as_far_as_is_allowed) {
  options().follow_symlinks = GetParam().follow;
  options().list_directories = true;
  tree().write("docs/a.css", "x");
  const std::string secret = tree().outside("secret", "x");
  tree().link("relative", "docs/a.css");
  tree().link("absolute", tree().path("docs/a.css"));
  tree().link("out", secret);
  tree().link("up", "../secret");
  tree().link("listed", "docs");
  tree().link("listed_absolute", tree().path("docs"));
  tree().link("self", tree().root());
  tree().link("above", "..");
  tree().link("nowhere", "absent");
  for (const char* path : {"relative", "absolute", "self/docs/a.css"}) {
    EXPECT_EQ(look_up(path), GetParam().inside) << path;
  }
  for (const char* path : {"out", "up", "above/secret"}) {
    EXPECT_EQ(look_up(path), GetParam().outside) << path;
  }
  const bool follows = GetParam().follow != FollowSymlinks::never;
  for (const char* path : {"listed/", "listed_absolute/", "self/"}) {
    EXPECT_EQ(look_up(path), follows ? Outcome::listing : Outcome::not_found) << path;
  }
  const bool anywhere = GetParam().follow == FollowSymlinks::always;
  EXPECT_EQ(look_up("above/"), anywhere ? Outcome::listing : GetParam().outside);
  EXPECT_EQ(look_up("nowhere"), Outcome::not_found);
}

constexpr std::array<LinkPolicy, 3> kLinkPolicies{
    {{"within", FollowSymlinks::within, Lookup::Outcome::file, Lookup::Outcome::forbidden},
     {"never", FollowSymlinks::never, Lookup::Outcome::not_found, Lookup::Outcome::not_found},
     {"always", FollowSymlinks::always, Lookup::Outcome::file, Lookup::Outcome::file}}};

INSTANTIATE_TEST_SUITE_P(site, SiteLinks, ::testing::ValuesIn(kLinkPolicies),
                         [](const auto& policy) { return policy.param.name; });

TEST_F(SiteTest, a_replaced_file_is_noticed_at_once_where_changes_are_announced) {
  tree().write("a.css", "old");
  if (!is_watching()) GTEST_SKIP() << "TMPDIR's file system announces no changes";
  const FileRef old = warm("a.css");
  pass_ms(5000);
  EXPECT_TRUE(is_cached("a.css")) << "nothing was announced";
  tree().replace("a.css", "new");
  await_change();
  EXPECT_FALSE(is_cached("a.css"));
  EXPECT_EQ(content_of(*file("a.css")), "new");
  EXPECT_EQ(content_of(*old), "old") << "a response that is under way ends with what it began";
}

TEST_F(SiteTest, a_linked_file_is_looked_at_twice_a_second) {
  tree().write("real/a.css", "old");
  tree().link("shown", "real");
  file("shown/a.css");
  EXPECT_TRUE(is_cached("shown/a.css"));
  tree().replace("real/a.css", "new");
  EXPECT_FALSE(is_cached("shown/a.css")) << "its inode lost its name, which fstat(2) tells";
  EXPECT_EQ(content_of(*file("shown/a.css")), "new");

  tree().write("other/a.css", "other");
  tree().remove("shown");
  tree().link("shown", "other");
  EXPECT_TRUE(is_cached("shown/a.css")) << "the old file itself is as it was";
  pass_ms(500);
  EXPECT_FALSE(is_cached("shown/a.css"));
  EXPECT_EQ(content_of(*file("shown/a.css")), "other");
}

// inotify says nothing when the target of a link appears, so what was decided because a link led
// nowhere must not be trusted for long.
TEST_F(SiteTest, an_index_name_that_is_a_dangling_link_is_looked_at_again_soon) {
  options().index_names = {"index.html", "index.css"};
  tree().write("docs/index.css", "second");
  tree().link("docs/index.html", "../later");
  file("docs/");
  EXPECT_EQ(file("docs/")->name, "docs/index.css");
  tree().write("later", "first");
  pass_ms(500);
  EXPECT_EQ(file("docs/")->name, "docs/index.html");
}

TEST_F(SiteTest, a_time_that_says_nothing_is_marked) {
  timespec now{};
  ASSERT_EQ(::clock_gettime(CLOCK_REALTIME, &now), 0);
  tree().write("later", "x");
  modified_at("later", {now.tv_sec + 3600, 0});
  tree().write("never", "x");
  modified_at("never", {1, 0});
  tree().write("past", "x");
  modified_at("past", {now.tv_sec - 3600, 0});
  EXPECT_FALSE(file("later")->has_useful_mtime);
  EXPECT_FALSE(file("never")->has_useful_mtime);
  EXPECT_TRUE(file("past")->has_useful_mtime);
}

TEST_F(SiteTest, an_unchanged_file_stays_the_same_opening) {
  tree().write("a.css", "x");
  const FileRef first = file("a.css");
  pass_ms(60'000);
  EXPECT_EQ(look_up("a.css"), Outcome::file);
  EXPECT_EQ(lookup().file, first);
  EXPECT_EQ(site().cached_files(), 1u);
}

// Exactly one more descriptor can be opened while this lives.
class OneDescriptorLeft {
 public:
  OneDescriptorLeft() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const net::OwnedFd lowest_free(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(lowest_free.valid());
    const rlimit low{static_cast<rlim_t>(lowest_free.get()) + 1, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  }
  ~OneDescriptorLeft() { EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0); }
  OneDescriptorLeft(const OneDescriptorLeft&) = delete;
  OneDescriptorLeft& operator=(const OneDescriptorLeft&) = delete;

 private:
  rlimit before_{};
};

TEST_F(SiteTest, idle_descriptors_of_the_cache_are_given_up_for_a_new_file) {
  options().variant_suffixes.clear();
  tree().write("sent", "x");
  tree().write("idle", "x");
  tree().write("new", "x");
  tree().write("one_more", "x");
  const FileRef sent = file("sent");
  file("idle");
  lookup().reset();
  const OneDescriptorLeft limit;
  const FileRef fresh = file("new");
  EXPECT_NE(fresh, nullptr);
  const FileRef another = file("one_more");
  EXPECT_NE(another, nullptr) << "idle went for it";
  lookup().reset();
  EXPECT_EQ(look_up("idle"), Outcome::exhausted);
  EXPECT_EQ(lookup().error, EMFILE);
  EXPECT_EQ(site().cached_files(), 3u);
}

TEST_F(SiteTest, a_variant_that_cannot_be_opened_for_want_of_descriptors_is_tried_again_next_time) {
#ifdef RINGSERVE_SANITIZED
  GTEST_SKIP() << "UBSan looks at memory through a pipe, and takes it for bad when there is none";
#endif
  tree().write("a.css", "x");
  tree().write("a.css.br", "x");
  {
    site();
    const OneDescriptorLeft limit;
    ASSERT_EQ(look_up("a.css"), Outcome::file);
    EXPECT_TRUE(lookup().file->variants.empty());
    EXPECT_FALSE(is_cached("a.css")) << "it is not known whether there is a variant";
  }
  ASSERT_NE(file("a.css"), nullptr);
  EXPECT_FALSE(file("a.css")->variants.empty());
}

}  // namespace
}  // namespace ringserve::files
