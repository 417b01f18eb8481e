// Objects that a connection needs only while it is busy, so that an idle one owns none. Of one
// thread.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace ringserve {

template <typename T>
class Pool {
 public:
  static constexpr size_t kKeptMax = 256;

  std::unique_ptr<T> take() {
    if (free_.empty()) return std::make_unique<T>();
    auto object = std::move(free_.back());
    free_.pop_back();
    return object;
  }
  void give_back(std::unique_ptr<T> object) {
    object->reset();
    if (free_.size() < kKeptMax) free_.push_back(std::move(object));
  }

 private:
  std::vector<std::unique_ptr<T>> free_;
};

}  // namespace ringserve
