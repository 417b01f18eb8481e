// The index of the file cache against std::multimap, with hashes that meet as often as possible.
#include "server/files/hash_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace ringserve::files {
namespace {

constexpr uint64_t kHashes = 40;  // few: long runs of slots that are taken
constexpr int kPlaces = 400;

bool contains(const HashIndex<int>& index, uint64_t hash, int wanted) {
  const int* found = index.find(hash, [&](int place) { return place == wanted; });
  return found != nullptr && *found == wanted;
}

TEST(HashIndex, finds_what_is_in_it_and_nothing_else_whatever_was_erased) {
  std::mt19937 random(1);
  HashIndex<int> index;
  std::map<int, uint64_t> present;  // place -> its hash
  for (int step = 0; step < 20'000; ++step) {
    const int place = static_cast<int>(random() % kPlaces);
    const auto found = present.find(place);
    if (found == present.end()) {
      const uint64_t hash = random() % kHashes;
      index.insert(hash, place);
      present.emplace(place, hash);
    } else {
      index.erase(found->second, place);
      present.erase(found);
    }
    if (step % 100 != 0) continue;
    ASSERT_EQ(index.size(), present.size());
    for (int each = 0; each < kPlaces; ++each) {
      const auto it = present.find(each);
      for (uint64_t hash = 0; hash < kHashes; ++hash) {
        // A place is found by its own hash, or by the one that differs in the last bit only.
        const bool expected = it != present.end() && (it->second | 1) == (hash | 1);
        ASSERT_EQ(contains(index, hash, each), expected) << step << ' ' << each << ' ' << hash;
      }
    }
  }
}

TEST(HashIndex, asks_no_further_than_the_first_that_is_wanted) {
  HashIndex<int> index;
  for (int place = 0; place < 10; ++place) index.insert(7, place);
  int asked = 0;
  const int* found = index.find(7, [&](int) { return ++asked == 1; });
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(index.find(7, [](int) { return false; }), nullptr);
}

}  // namespace
}  // namespace ringserve::files
