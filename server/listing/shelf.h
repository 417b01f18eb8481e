// Listings that were made and may be given to others who ask. Holds each as long as it is being
// sent, so that the memory of a long one is freed here and not by a worker, in its loop. One
// thread, though the files it gives out may be let go by any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/files/file.h"

namespace ringserve::listing {

class Shelf {
 public:
  struct Limits {
    int64_t fresh_ms = 0;           // a listing is given out until it is this old
    uint64_t kept_bytes_max = 0;    // of all; those nobody sends make room for others
    uint64_t in_use_bytes_max = 0;  // of those being sent; beyond that none should be made
    size_t kept_max = SIZE_MAX;     // how many: each holds a descriptor. Being sent, half of it
  };

  explicit Shelf(Limits limits) : limits_(limits) {}

  // Null if there is none that is fresh.
  files::FileRef find(std::string_view key, int64_t now_ms) const;
  // Returns what is to be given out: an older one where nothing about it has changed.
  files::FileRef put(std::string key, files::FileRef file, int64_t now_ms);
  // Lets go what is neither fresh nor being sent.
  void tidy(int64_t now_ms);

  bool is_full() const;  // too much is being sent
  bool is_empty() const { return kept_.empty(); }
  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::string key;
    files::FileRef file;
    int64_t made_at_ms = 0;
  };
  static bool is_in_use(const Kept& kept) { return kept.file.use_count() > 1; }
  bool is_fresh(const Kept& kept, int64_t now_ms) const {
    return now_ms - kept.made_at_ms < limits_.fresh_ms;
  }
  void make_room(uint64_t bytes);

  Limits limits_;
  std::vector<Kept> kept_;  // oldest first
};

}  // namespace ringserve::listing
