// A number that one thread counts and any thread may read. As cheap as a plain one: no locked
// instruction, since there is one writer.
#pragma once

#include <atomic>
#include <cstdint>

namespace ringserve {

class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_ = 0;
};

}  // namespace ringserve
