// What entity-tags tell apart, and which times are worth saying.
#include "server/files/etag.h"

#include <gtest/gtest.h>

#include <set>

namespace ringserve::files {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kMtime_s = 1'700'000'000;

Identity identity_of(int64_t mtime_s) {
  Identity identity;
  identity.device = 1;
  identity.inode = 2;
  identity.size_bytes = 3;
  identity.mtime_ns = mtime_s * kSecondNs;
  identity.ctime_ns = 5;
  return identity;
}

TEST(Etag, is_a_strong_tag_that_rfc_9110_allows) {
  for (const EtagKind kind : {EtagKind::size_mtime, EtagKind::inode}) {
    for (const int64_t mtime_s : {kMtime_s, int64_t{0}, int64_t{-1}}) {
      for (const char* form : {"", ".br"}) {
        const std::string tag = make_etag(kind, identity_of(mtime_s), mtime_s, form);
        ASSERT_GT(tag.size(), 2u);
        EXPECT_EQ(tag.front(), '"');
        EXPECT_EQ(tag.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz-", 1),
                  tag.size() - 1);
        EXPECT_EQ(tag.back(), '"');
      }
    }
  }
}

TEST(Etag, of_size_and_time_survives_a_redeploy_to_another_machine) {
  const Identity here = identity_of(kMtime_s);
  Identity there = here;
  there.device = 7;
  there.inode = 8;
  there.ctime_ns = 9;
  EXPECT_EQ(make_etag(EtagKind::size_mtime, here, kMtime_s, ""),
            make_etag(EtagKind::size_mtime, there, kMtime_s, ""));
  EXPECT_NE(make_etag(EtagKind::inode, here, kMtime_s, ""),
            make_etag(EtagKind::inode, there, kMtime_s, ""));
}

TEST(Etag, changes_with_size_and_with_a_nanosecond) {
  const Identity first = identity_of(kMtime_s);
  Identity longer = first, later = first;
  ++longer.size_bytes;
  ++later.mtime_ns;
  for (const EtagKind kind : {EtagKind::size_mtime, EtagKind::inode}) {
    const std::set<std::string> tags{make_etag(kind, first, kMtime_s, ""),
                                     make_etag(kind, longer, kMtime_s, ""),
                                     make_etag(kind, later, kMtime_s, "")};
    EXPECT_EQ(tags.size(), 3u);
  }
}

TEST(Etag, of_inode_changes_with_every_change_of_the_file) {
  const Identity first = identity_of(kMtime_s);
  Identity changed = first, other = first;
  ++changed.ctime_ns;
  ++other.inode;
  const std::set<std::string> tags{make_etag(EtagKind::inode, first, kMtime_s, ""),
                                   make_etag(EtagKind::inode, changed, kMtime_s, ""),
                                   make_etag(EtagKind::inode, other, kMtime_s, "")};
  EXPECT_EQ(tags.size(), 3u);
}

TEST(Etag, tells_versions_apart_that_reproducible_builds_gave_the_same_time) {
  for (const int64_t mtime_s : {0, 1, 315'532'800}) {
    const Identity old = identity_of(mtime_s);
    Identity fresh = old;
    fresh.inode = 99;
    EXPECT_NE(make_etag(EtagKind::size_mtime, old, mtime_s, ""),
              make_etag(EtagKind::size_mtime, fresh, mtime_s, ""))
        << mtime_s;
  }
}

TEST(Etag, differs_between_forms_of_one_file) {
  const Identity identity = identity_of(kMtime_s);
  std::set<std::string> tags;
  for (const char* form : {"", ".br", ".zst", ".gz"}) {
    tags.insert(make_etag(EtagKind::size_mtime, identity, kMtime_s, form));
  }
  EXPECT_EQ(tags.size(), 4u);
}

TEST(Etag, is_absent_where_it_is_off) {
  EXPECT_EQ(make_etag(EtagKind::off, identity_of(kMtime_s), kMtime_s, ".br"), "");
  EXPECT_EQ(make_etag(EtagKind::off, identity_of(0), 0, ""), "");
}

TEST(Mtime, is_said_unless_it_says_nothing) {
  constexpr int64_t kNow_s = 1'800'000'000;
  for (const int64_t mtime_s : {int64_t{-1}, int64_t{0}, int64_t{1}, int64_t{315'532'800},
                                int64_t{315'619'199}, kNow_s + 1, INT64_MAX, INT64_MIN}) {
    EXPECT_FALSE(has_useful_mtime(mtime_s, kNow_s)) << mtime_s;
  }
  for (const int64_t mtime_s : {int64_t{315'619'200}, kMtime_s, kNow_s}) {
    EXPECT_TRUE(has_useful_mtime(mtime_s, kNow_s)) << mtime_s;
  }
}

}  // namespace
}  // namespace ringserve::files
