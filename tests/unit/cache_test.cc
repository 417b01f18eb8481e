// The file cache: what goes first, what is distrusted, and how bodies are counted.
#include "server/files/cache.h"

#include <gtest/gtest.h>

namespace ringserve::files {
namespace {

FileRef file_of(uint64_t body_bytes) {
  auto file = std::make_shared<File>();
  file->size_bytes = body_bytes;
  return file;
}

void put_with_body(Cache& cache, const std::string& path, uint64_t bytes) {
  FileRef file = cache.put(path, file_of(bytes)).file;
  ASSERT_TRUE(cache.make_room_for_body(bytes));
  file->body.assign(bytes, 'x');
  file->body_in_memory = true;
  cache.account_body(bytes);
}

TEST(Cache, drops_the_least_recently_used) {
  Cache cache(2, 0);
  cache.put("a", file_of(0));
  cache.put("b", file_of(0));
  EXPECT_NE(cache.find("a"), nullptr);
  cache.put("c", file_of(0));
  EXPECT_EQ(cache.find("b"), nullptr);
  EXPECT_NE(cache.find("a"), nullptr);
  EXPECT_EQ(cache.files(), 2u);
}

TEST(Cache, keeps_bodies_within_their_limit) {
  Cache cache(100, 1000);
  put_with_body(cache, "a", 600);
  put_with_body(cache, "b", 300);
  EXPECT_EQ(cache.body_bytes(), 900u);
  put_with_body(cache, "c", 500);
  EXPECT_EQ(cache.body_bytes(), 800u) << "a had to go";
  EXPECT_EQ(cache.find("a"), nullptr);
  EXPECT_FALSE(cache.make_room_for_body(1001));
  EXPECT_NE(cache.find("b"), nullptr) << "a body too large for the cache evicts nothing";
  cache.put("b", file_of(0));
  cache.erase("c");
  EXPECT_EQ(cache.body_bytes(), 0u);
}

TEST(Cache, bodies_in_use_are_spared) {
  Cache cache(100, 1000);
  put_with_body(cache, "a", 400);
  put_with_body(cache, "b", 400);
  EXPECT_NE(cache.find("a"), nullptr);
  put_with_body(cache, "c", 400);
  EXPECT_EQ(cache.find("b"), nullptr);
  ASSERT_NE(cache.find("a"), nullptr);
  ASSERT_NE(cache.find("c"), nullptr);
  put_with_body(cache, "d", 400);
  EXPECT_EQ(cache.body_bytes(), 800u) << "where all are in use one goes all the same";
}

TEST(Cache, trusts_until_told_otherwise) {
  Cache cache(10, 0);
  Cache::Entry& entry = cache.put("a", file_of(0));
  entry.trusted_until_ms = 500;
  EXPECT_TRUE(cache.is_trusted(entry, 499));
  EXPECT_FALSE(cache.is_trusted(entry, 500));
  EXPECT_TRUE(cache.is_trusted(entry, 0));
  cache.distrust("a");
  EXPECT_FALSE(cache.is_trusted(entry, 0));

  entry.trusted_until_ms = 500;
  cache.distrust_all_watched();
  EXPECT_TRUE(cache.is_trusted(entry, 0)) << "it is not watched";
  entry.watched = true;
  EXPECT_FALSE(cache.is_trusted(entry, 0)) << "it was looked at in an earlier epoch";
  entry.epoch = cache.epoch();
  EXPECT_TRUE(cache.is_trusted(entry, 0));
}

TEST(Cache, sheds_only_what_nobody_sends) {
  Cache cache(10, 0);
  const FileRef sent = cache.put("a", file_of(0)).file;
  cache.put("b", file_of(0));
  EXPECT_EQ(cache.shed(), 1u);
  EXPECT_NE(cache.find("a"), nullptr);
  EXPECT_EQ(cache.find("b"), nullptr);
}

}  // namespace
}  // namespace ringserve::files
