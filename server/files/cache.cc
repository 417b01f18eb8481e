// The list owns the entries, the map finds them. A file that a response still sends outlives its
// entry: it is shared.
#include "server/files/cache.h"

#include "common/check.h"

namespace ringserve::files {
namespace {

size_t descriptors_of(File& file) {
  size_t count = 0;
  file.for_each_form([&](File&) { ++count; });
  return count;
}

bool holds_body(File& file) {
  bool any = false;
  file.for_each_form([&](File& form) { any = any || form.body_in_memory; });
  return any;
}

}  // namespace

Cache::Entry* Cache::find(std::string_view path) {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return nullptr;
  found->second->used = true;
  return &*found->second;
}

// The second chance (CLOCK): an entry used since it was last passed by is spared. A list in the
// order of use would be the same but for three cache misses at every hit.
void Cache::remove_oldest() {
  while (entries_.back().used) spare(std::prev(entries_.end()));
  remove(std::prev(entries_.end()));
}

void Cache::spare(List::iterator entry) {
  entry->used = false;
  entries_.splice(entries_.begin(), entries_, entry);
}

Cache::Entry& Cache::put(std::string_view path, FileRef file) {
  const size_t more = descriptors_of(*file);
  CHECK(more <= descriptors_max_);
  erase(path);
  while (descriptors_ + more > descriptors_max_) remove_oldest();
  descriptors_ += more;
  entries_.push_front(Entry{std::string(path), std::move(file)});
  by_path_.emplace(entries_.front().path, entries_.begin());
  return entries_.front();
}

void Cache::erase(std::string_view path) {
  const auto found = by_path_.find(path);
  if (found != by_path_.end()) remove(found->second);
}

void Cache::distrust(std::string_view path) {
  ++changes_;
  const auto found = by_path_.find(path);
  if (found != by_path_.end()) found->second->trusted_until_ms = 0;
}

// The bytes of a body leave the count when its entry goes; a response that still sends them keeps
// them alive for that long.
void Cache::remove(List::iterator entry) {
  entry->file->for_each_form([this](File& form) {
    --descriptors_;
    if (!form.body_in_memory) return;
    CHECK(body_bytes_ >= form.size_bytes);
    body_bytes_ -= form.size_bytes;
  });
  by_path_.erase(entry->path);
  entries_.erase(entry);
}

bool Cache::make_room_for_body(uint64_t bytes, const File& base) {
  if (bytes > body_bytes_max_) return false;
  // Twice around: the first time may do no more than take the marks away.
  for (size_t left = 2 * entries_.size(); left > 0 && body_bytes_ + bytes > body_bytes_max_;
       --left) {
    const auto oldest = std::prev(entries_.end());
    if (oldest->used || oldest->file.get() == &base || !holds_body(*oldest->file)) {
      spare(oldest);
    } else {
      remove(oldest);
    }
  }
  return body_bytes_ + bytes <= body_bytes_max_;
}

size_t Cache::shed() {
  size_t dropped = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto present = entry++;
    if (present->file.use_count() > 1) continue;
    remove(present);
    ++dropped;
  }
  return dropped;
}

}  // namespace ringserve::files
