// The list owns the entries, the map finds them. A file that a response still sends outlives its
// entry: it is shared.
#include "server/files/cache.h"

#include "common/check.h"

namespace ringserve::files {

Cache::Entry* Cache::find(std::string_view path) {
  const auto found = by_path_.find(path);
  if (found == by_path_.end()) return nullptr;
  if (found->second != entries_.begin()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  }
  return &*found->second;
}

Cache::Entry& Cache::put(std::string_view path, FileRef file) {
  if (Entry* entry = find(path); entry != nullptr) {
    drop_body(*entry->file);
    entry->file = std::move(file);
    return *entry;
  }
  while (entries_.size() >= files_max_) remove(std::prev(entries_.end()));
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
void Cache::drop_body(File& file) {
  if (!file.body_in_memory) return;
  CHECK(body_bytes_ >= file.size_bytes);
  body_bytes_ -= file.size_bytes;
}

void Cache::remove(List::iterator entry) {
  drop_body(*entry->file);
  by_path_.erase(entry->path);
  entries_.erase(entry);
}

bool Cache::make_room_for_body(uint64_t bytes) {
  if (bytes > body_bytes_max_) return false;
  for (auto entry = entries_.end(); body_bytes_ + bytes > body_bytes_max_;) {
    if (entry == entries_.begin()) return false;
    --entry;
    if (entry->file->body_in_memory) {
      const auto gone = entry++;
      remove(gone);
    }
  }
  return true;
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
