// Kept listings: how long they are given out, what makes room for what, and that nothing being sent
// is forgotten.
#include "server/listing/shelf.h"

#include <gtest/gtest.h>

namespace ringserve::listing {
namespace {

files::FileRef file_of(uint64_t bytes, const std::string& etag) {
  auto file = std::make_shared<files::File>();
  file->size_bytes = bytes;
  file->etag = etag;
  return file;
}

constexpr Shelf::Limits kLimits{1000, 100, 150};

TEST(ListingShelf, gives_out_what_is_fresh) {
  Shelf shelf(kLimits);
  EXPECT_EQ(shelf.find("a", 0), nullptr);
  const files::FileRef a = shelf.put("a", file_of(10, "1"), 5000);
  EXPECT_EQ(shelf.find("a", 5999), a);
  EXPECT_EQ(shelf.find("a", 6000), nullptr);
  EXPECT_EQ(shelf.find("b", 5000), nullptr);
}

TEST(ListingShelf, a_newer_one_takes_the_place) {
  Shelf shelf(kLimits);
  shelf.put("a", file_of(10, "1"), 0);
  const files::FileRef newer = shelf.put("a", file_of(10, "2"), 2000);
  EXPECT_EQ(shelf.find("a", 2500), newer);
  EXPECT_EQ(shelf.size(), 1U);
}

TEST(ListingShelf, one_that_says_the_same_is_given_out_again) {
  Shelf shelf(kLimits);
  const files::FileRef sent = shelf.put("a", file_of(10, "1"), 0);
  shelf.put("b", file_of(10, "1"), 0);
  EXPECT_EQ(shelf.put("a", file_of(10, "1"), 2000), sent);
  EXPECT_EQ(shelf.find("a", 2500), sent) << "it is fresh again";
  EXPECT_EQ(shelf.size(), 2U);

  const files::FileRef later = file_of(10, "1");
  later->mtime_s = 7;
  EXPECT_EQ(shelf.put("a", later, 3000), later) << "Last-Modified would not be the same";
}

TEST(ListingShelf, keeps_what_is_being_sent_until_it_is_not) {
  Shelf shelf(kLimits);
  files::FileRef sent = shelf.put("a", file_of(10, "1"), 0);
  shelf.put("b", file_of(10, "1"), 0);
  shelf.tidy(999);
  EXPECT_EQ(shelf.size(), 2U);
  shelf.tidy(1000);
  EXPECT_EQ(shelf.size(), 1U);
  const std::weak_ptr<files::File> watched = sent;
  sent.reset();
  EXPECT_FALSE(watched.expired()) << "its memory is freed by the shelf";
  shelf.tidy(1000);
  EXPECT_TRUE(shelf.is_empty());
  EXPECT_TRUE(watched.expired());
}

TEST(ListingShelf, the_oldest_make_room) {
  Shelf shelf(kLimits);
  shelf.put("a", file_of(40, "1"), 0);
  const files::FileRef sent = shelf.put("b", file_of(40, "1"), 1);
  shelf.put("c", file_of(20, "1"), 2);
  EXPECT_EQ(shelf.size(), 3U);
  shelf.put("d", file_of(50, "1"), 3);
  EXPECT_EQ(shelf.find("a", 3), nullptr);
  EXPECT_EQ(shelf.find("b", 3), sent);
  EXPECT_EQ(shelf.find("c", 3), nullptr);
  EXPECT_NE(shelf.find("d", 3), nullptr);
}

TEST(ListingShelf, is_bounded_in_number_too) {
  Shelf shelf({1000, 1000, 1000, 4});
  for (int i = 0; i < 10; ++i) shelf.put(std::to_string(i), file_of(1, "1"), 0);
  EXPECT_EQ(shelf.size(), 4U);
  EXPECT_FALSE(shelf.is_full());
  const auto first = shelf.find("9", 0);
  const auto second = shelf.find("8", 0);
  EXPECT_TRUE(shelf.is_full()) << "half of them are being sent";
}

TEST(ListingShelf, is_full_of_what_is_being_sent) {
  Shelf shelf(kLimits);
  const files::FileRef first = shelf.put("a", file_of(90, "1"), 0);
  EXPECT_FALSE(shelf.is_full());
  files::FileRef second = shelf.put("b", file_of(90, "1"), 0);
  EXPECT_TRUE(shelf.is_full());
  second.reset();
  EXPECT_FALSE(shelf.is_full());
}

}  // namespace
}  // namespace ringserve::listing
