// Relies on being the only place that hands out its files: where it has the only reference, nobody
// can take another one meanwhile.
#include "server/listing/shelf.h"

#include <algorithm>

namespace ringserve::listing {

files::FileRef Shelf::find(std::string_view key, int64_t now_ms) const {
  const auto found = std::find_if(kept_.rbegin(), kept_.rend(),
                                  [key](const Kept& kept) { return kept.key == key; });
  return found != kept_.rend() && is_fresh(*found, now_ms) ? found->file : nullptr;
}

files::FileRef Shelf::put(std::string key, files::FileRef file, int64_t now_ms) {
  const auto same = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
    return kept.key == key && kept.file->etag == file->etag && kept.file->mtime_s == file->mtime_s;
  });
  if (same != kept_.end()) {
    same->made_at_ms = now_ms;
    std::rotate(same, same + 1, kept_.end());
    return kept_.back().file;
  }
  std::erase_if(kept_, [&key](const Kept& kept) { return kept.key == key && !is_in_use(kept); });
  make_room(file->size_bytes);
  kept_.push_back({std::move(key), std::move(file), now_ms});
  return kept_.back().file;
}

void Shelf::tidy(int64_t now_ms) {
  std::erase_if(kept_, [this, now_ms](const Kept& kept) {
    return !is_fresh(kept, now_ms) && !is_in_use(kept);
  });
}

bool Shelf::is_full() const {
  uint64_t bytes = 0;
  size_t count = 0;
  for (const Kept& kept : kept_) {
    if (!is_in_use(kept)) continue;
    bytes += kept.file->size_bytes;
    ++count;
  }
  return bytes >= limits_.in_use_bytes_max || count >= limits_.kept_max / 2;
}

void Shelf::make_room(uint64_t bytes) {
  for (const Kept& kept : kept_) bytes += kept.file->size_bytes;
  size_t count = kept_.size() + 1;
  std::erase_if(kept_, [this, &bytes, &count](const Kept& kept) {
    const bool fits = bytes <= limits_.kept_bytes_max && count <= limits_.kept_max;
    if (fits || is_in_use(kept)) return false;
    bytes -= kept.file->size_bytes;
    --count;
    return true;
  });
}

}  // namespace ringserve::listing
