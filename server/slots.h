// Slots for connections: stable addresses, reuse of the last freed (its memory is warm), and a
// generation that changes with every reuse, so that a completion meant for an earlier connection
// finds nobody. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "common/check.h"

namespace ringserve {

// Names one connection for good: the slot alone is reused.
struct SlotId {
  uint32_t slot = 0;
  uint32_t generation = 0;  // 24 bits, never 0 for a live slot

  friend bool operator==(SlotId, SlotId) = default;
};

constexpr uint32_t kGenerationMask = 0xFFFFFF;

template <typename T>
class SlotTable {
 public:
  SlotTable() = default;
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;
  ~SlotTable() {
    for (uint32_t slot = 0; slot < generations_.size(); ++slot) {
      if (live_[slot]) object(slot)->~T();
    }
  }

  // Constructs a T(SlotId, args...) in a free slot.
  template <typename... Args>
  T& create(Args&&... args) {
    if (free_.empty()) grow();
    const uint32_t slot = free_.back();
    free_.pop_back();
    generations_[slot] = (generations_[slot] + 1) & kGenerationMask;
    if (generations_[slot] == 0) generations_[slot] = 1;
    live_[slot] = true;
    ++live_count_;
    return *new (object(slot)) T(SlotId{slot, generations_[slot]}, std::forward<Args>(args)...);
  }

  // Null if that connection is gone, whoever has its slot now.
  T* find(SlotId id) {
    if (id.slot >= generations_.size()) return nullptr;
    return live_[id.slot] && generations_[id.slot] == id.generation ? object(id.slot) : nullptr;
  }

  const T* find(SlotId id) const { return const_cast<SlotTable*>(this)->find(id); }

  // Whoever lives in that slot now; null if nobody does.
  T* at_slot(uint32_t slot) { return slot < live_.size() && live_[slot] ? object(slot) : nullptr; }

  void destroy(SlotId id) {
    T* gone = find(id);
    CHECK(gone != nullptr);
    gone->~T();
    live_[id.slot] = false;
    --live_count_;
    free_.push_back(id.slot);
  }

  // Calls visit(T&) for every live slot; the visitor may destroy the one it is given.
  template <typename Visitor>
  void for_each(Visitor&& visit) {
    for (uint32_t slot = 0; slot < generations_.size(); ++slot) {
      if (live_[slot]) visit(*object(slot));
    }
  }

  size_t size() const { return live_count_; }

 private:
  static constexpr uint32_t kChunkSlots = 256;
  struct Storage {
    alignas(T) unsigned char bytes[sizeof(T)];
  };

  T* object(uint32_t slot) {
    return std::launder(
        reinterpret_cast<T*>(chunks_[slot / kChunkSlots][slot % kChunkSlots].bytes));
  }

  void grow() {
    const auto first = static_cast<uint32_t>(generations_.size());
    chunks_.emplace_back(new Storage[kChunkSlots]);
    generations_.resize(first + kChunkSlots, 0);
    live_.resize(first + kChunkSlots, false);
    for (uint32_t i = kChunkSlots; i > 0; --i) free_.push_back(first + i - 1);
  }

  std::vector<std::unique_ptr<Storage[]>> chunks_;
  std::vector<uint32_t> generations_;
  std::vector<bool> live_;
  std::vector<uint32_t> free_;
  size_t live_count_ = 0;
};

}  // namespace ringserve
