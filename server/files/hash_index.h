// Where the elements of some list are, by their hash: linear probing in one array, so that the
// usual absent element costs one cache miss, where std::unordered_map takes three. One thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/check.h"

namespace ringserve::files {

// `Place`: cheap to copy and comparable, as the iterator of a std::list.
template <typename Place>
class HashIndex {
 public:
  // The place of that hash for which `is_wanted(place)`, or nullptr. Valid until the next change.
  template <typename IsWanted>
  const Place* find(uint64_t hash, IsWanted&& is_wanted) const {
    const uint64_t mark = mark_of(hash);
    for (size_t at = home_of(mark); slots_[at].mark != kFree; at = next(at)) {
      if (slots_[at].mark == mark && is_wanted(slots_[at].place)) return &slots_[at].place;
    }
    return nullptr;
  }

  void insert(uint64_t hash, Place place) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    put({mark_of(hash), place});
    ++count_;
  }

  // It must be there. What stands behind it moves up, so that no tombstone is ever needed.
  void erase(uint64_t hash, Place place) {
    const uint64_t mark = mark_of(hash);
    size_t hole = home_of(mark);
    while (slots_[hole].mark != mark || slots_[hole].place != place) {
      CHECK(slots_[hole].mark != kFree);
      hole = next(hole);
    }
    for (size_t at = next(hole); slots_[at].mark != kFree; at = next(at)) {
      // It may move up as long as that is not before its home.
      if (distance(home_of(slots_[at].mark), at) < distance(hole, at)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --count_;
  }

  size_t size() const { return count_; }

 private:
  static constexpr uint64_t kFree = 0;
  struct Slot {
    uint64_t mark = kFree;
    Place place{};
  };
  static constexpr size_t kSlotsMin = 16;  // a power of two, as all sizes are

  static uint64_t mark_of(uint64_t hash) { return hash | 1; }  // never kFree
  // The upper bits of the product: those of a hash need not be well spread.
  size_t home_of(uint64_t mark) const {
    constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15;
    return (mark * kGoldenRatio) >> shift_;
  }
  size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }
  size_t distance(size_t from, size_t to) const { return (to - from) & (slots_.size() - 1); }

  void put(Slot slot) {
    size_t at = home_of(slot.mark);
    while (slots_[at].mark != kFree) at = next(at);
    slots_[at] = slot;
  }

  void grow() {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
    shift_ = 64 - std::countr_zero(slots_.size());
    for (const Slot& slot : old) {
      if (slot.mark != kFree) put(slot);
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(kSlotsMin);
  int shift_ = 64 - std::countr_zero(kSlotsMin);
  size_t count_ = 0;
};

}  // namespace ringserve::files
