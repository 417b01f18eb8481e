// The list owns the entries, the map finds them. A file that a response still sends outlives its
// entry: it is shared.
#include "server/files/cache.h"

#include <functional>

#include "common/check.h"

namespace ringserve::files {
namespace {

constexpr uint64_t kFewBlocksBytes = 64 * 1024;

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

bool is_sent(const FileRef& file) {
  bool any = file.use_count() > 1;
  for (const FileRef& variant : file->variants) {
    any = any || (variant != nullptr && variant.use_count() > 1);
  }
  return any;
}

uint64_t hash_of(std::string_view path) { return std::hash<std::string_view>{}(path); }

}  // namespace

const Cache::List::iterator* Cache::find(std::string_view path, uint64_t hash) const {
  return by_path_.find(hash, [&](List::iterator entry) { return entry->path == path; });
}

Cache::Entry* Cache::find(std::string_view path) {
  const auto* found = find(path, hash_of(path));
  if (found == nullptr) return nullptr;
  (*found)->used = true;
  return &**found;
}

// The second chance (CLOCK): an entry used since it was last passed by is spared. A list in the
// order of use would be the same but for three cache misses at every hit.
void Cache::remove_oldest() {
  while (entries_.back().used) spare(std::prev(entries_.end()));
  const auto oldest = std::prev(entries_.end());
  // Nothing was heard of its name, and nobody sends it, so it is closed now: one look less. Where
  // that is wrong after all, a small file has few blocks to free.
  if (is_unchanged(*oldest) && !is_sent(oldest->file)) {
    oldest->file->for_each_form([](File& form) {
      if (form.size_bytes <= kFewBlocksBytes) form.fd.has_name();
    });
  }
  remove(oldest);
}

void Cache::spare(List::iterator entry) {
  entry->used = false;
  entries_.splice(entries_.begin(), entries_, entry);
}

Cache::Entry& Cache::put(std::string_view path, FileRef file) {
  const size_t more = descriptors_of(*file);
  CHECK(more <= descriptors_max_);
  const uint64_t hash = hash_of(path);
  if (const auto* found = find(path, hash)) remove(*found);
  while (descriptors_ + more > descriptors_max_) remove_oldest();
  descriptors_ += more;
  entries_.push_front({.path = std::string(path), .file = std::move(file), .hash = hash});
  by_path_.insert(hash, entries_.begin());
  return entries_.front();
}

void Cache::erase(std::string_view path) {
  if (const auto* found = find(path, hash_of(path))) remove(*found);
}

void Cache::distrust(std::string_view path) {
  ++changes_;
  if (const auto* found = find(path, hash_of(path))) (*found)->trusted_until_ms = 0;
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
  by_path_.erase(entry->hash, entry);
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
