// The file cache: what goes first, what is distrusted, and how bodies are counted.
#include "server/files/cache.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace ringserve::files {
namespace {

FileRef file_of(uint64_t body_bytes) {
  auto file = std::make_shared<File>();
  file->size_bytes = body_bytes;
  return file;
}

void put_with_body(Cache& cache, const std::string& path, uint64_t bytes) {
  FileRef file = cache.put(path, file_of(bytes)).file;
  ASSERT_TRUE(cache.make_room_for_body(bytes, *file));
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

FileRef file_with_variants(size_t count) {
  FileRef file = file_of(0);
  file->variants.resize(3);
  for (size_t i = 0; i < count; ++i) file->variants[2 - i] = file_of(0);
  return file;
}

TEST(Cache, counts_the_descriptors_of_variants) {
  Cache cache(5, 0);
  cache.put("a", file_with_variants(1));
  cache.put("b", file_with_variants(2));
  EXPECT_EQ(cache.descriptors(), 5u);
  cache.put("a", file_with_variants(2));
  EXPECT_EQ(cache.descriptors(), 3u) << "b had to go";
  EXPECT_EQ(cache.find("b"), nullptr);
  cache.put("a", file_of(0));
  EXPECT_EQ(cache.descriptors(), 1u);
  cache.put("c", file_with_variants(3));
  EXPECT_EQ(cache.files(), 2u);
  cache.put("d", file_of(0));
  cache.erase("d");
  cache.erase("d");
  const size_t idle = cache.files();
  EXPECT_EQ(cache.shed(), idle);
  EXPECT_EQ(cache.descriptors(), 0u);
}

TEST(Cache, bodies_of_variants_go_with_their_file) {
  Cache cache(100, 1000);
  const FileRef base = file_with_variants(2);
  cache.put("a", base);
  base->for_each_form([&](File& form) {
    form.size_bytes = 200;
    ASSERT_TRUE(cache.make_room_for_body(200, *base));
    form.body_in_memory = true;
    cache.account_body(200);
  });
  EXPECT_EQ(cache.body_bytes(), 600u);
  EXPECT_FALSE(cache.make_room_for_body(500, *base)) << "it does not go for a body of its own";
  EXPECT_EQ(cache.body_bytes(), 600u);
  put_with_body(cache, "b", 500);
  EXPECT_EQ(cache.body_bytes(), 500u);
  EXPECT_EQ(cache.find("a"), nullptr);
}

TEST(Cache, keeps_bodies_within_their_limit) {
  Cache cache(100, 1000);
  put_with_body(cache, "a", 600);
  put_with_body(cache, "b", 300);
  EXPECT_EQ(cache.body_bytes(), 900u);
  put_with_body(cache, "c", 500);
  EXPECT_EQ(cache.body_bytes(), 800u) << "a had to go";
  EXPECT_EQ(cache.find("a"), nullptr);
  EXPECT_FALSE(cache.make_room_for_body(1001, *file_of(1001)));
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

// An open file that has no name any more.
FileRef nameless_file(uint64_t size_bytes, LeftToClose& left) {
  FileRef file = file_of(size_bytes);
  file->fd = FileFd(net::OwnedFd(::memfd_create("nameless", MFD_CLOEXEC)), &left);
  return file;
}

Cache::Entry& put_watched(Cache& cache, const std::string& path, FileRef file) {
  Cache::Entry& entry = cache.put(path, std::move(file));
  entry.watched = true;
  entry.epoch = cache.epoch();
  entry.trusted_until_ms = 500;
  return entry;
}

TEST(Cache, asks_for_the_name_of_what_it_closes_unless_that_is_small_and_nothing_was_heard) {
  Cache cache(1, 0);
  LeftToClose left;
  put_watched(cache, "small", nameless_file(1000, left));
  cache.put("next", file_of(0));
  EXPECT_EQ(left.fds.size(), 0u) << "it was trusted to have one";
  put_watched(cache, "large", nameless_file(1 << 20, left));
  cache.put("next", file_of(0));
  EXPECT_EQ(left.fds.size(), 1u);
  put_watched(cache, "removed", nameless_file(1000, left));
  cache.distrust("removed");
  cache.put("next", file_of(0));
  EXPECT_EQ(left.fds.size(), 2u);
  put_watched(cache, "moved", nameless_file(1000, left));
  cache.distrust_all_watched();
  cache.put("next", file_of(0));
  EXPECT_EQ(left.fds.size(), 3u);
  const FileRef sent = put_watched(cache, "sent", nameless_file(1000, left)).file;
  cache.put("next", file_of(0));
  sent->fd.reset();
  EXPECT_EQ(left.fds.size(), 4u) << "it may have been removed while it was sent";
}

TEST(Cache, asks_for_the_names_of_all_forms_if_one_is_sent) {
  Cache cache(2, 0);
  LeftToClose left;
  FileRef base = nameless_file(1000, left);
  base->variants = {nameless_file(1000, left)};
  const FileRef sent = base->variants[0];
  put_watched(cache, "a", std::move(base));
  cache.put("next", file_of(0));
  EXPECT_EQ(left.fds.size(), 1u);
  sent->fd.reset();
  EXPECT_EQ(left.fds.size(), 2u);
}

}  // namespace
}  // namespace ringserve::files
