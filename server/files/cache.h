// Paths to open files, least recently used first to go, bounded in descriptors and in bytes of
// bodies held in memory. A file's variants come and go with it, and count like it. One thread.
#pragma once

#include <list>
#include <string>
#include <string_view>

#include "server/files/file.h"
#include "server/files/hash_index.h"

namespace ringserve::files {

class Cache {
 public:
  struct Entry {
    std::string path;  // as asked for: "docs/" for docs/index.html
    FileRef file;
    int64_t trusted_until_ms = 0;  // after this the path is looked at again; 0: now
    uint32_t epoch = 0;            // of the watched tree when it was looked at
    bool watched = false;
    bool used = false;  // since it was put in or last spared
    uint64_t hash = 0;  // of the path
  };

  Cache(size_t descriptors_max, size_t body_bytes_max)
      : descriptors_max_(descriptors_max), body_bytes_max_(body_bytes_max) {}

  // Null if absent.
  Entry* find(std::string_view path);
  // Adds or replaces. The reference is valid until the next call. A file with its variants must not
  // be more than the cache may hold.
  Entry& put(std::string_view path, FileRef file);
  void erase(std::string_view path);

  // Whether the entry may be served without a look at the path.
  bool is_trusted(const Entry& entry, int64_t now_ms) const {
    return now_ms < entry.trusted_until_ms && (!entry.watched || entry.epoch == epoch_);
  }
  // Something changed at this path, or somewhere: look again before serving from it.
  void distrust(std::string_view path);
  void distrust_all_watched() {
    ++epoch_;
    ++changes_;
  }
  uint32_t epoch() const { return epoch_; }
  // How many changes were heard of so far: a look-up that overlaps one cannot be sure of itself.
  uint64_t changes() const { return changes_; }

  // Makes room for a body of that size; false if it cannot be held. account_body() then counts it.
  // `base`, the file of an entry, is spared: it or a variant of it is whose body that is.
  bool make_room_for_body(uint64_t bytes, const File& base);
  void account_body(uint64_t bytes) { body_bytes_ += bytes; }

  // Drops every entry whose file nobody else refers to; returns how many.
  size_t shed();

  size_t files() const { return entries_.size(); }  // without variants
  size_t descriptors() const { return descriptors_; }
  size_t body_bytes() const { return body_bytes_; }

 private:
  using List = std::list<Entry>;
  const List::iterator* find(std::string_view path, uint64_t hash) const;
  // Of a watched one no change was heard.
  bool is_unchanged(const Entry& entry) const {
    return entry.watched && entry.epoch == epoch_ && entry.trusted_until_ms != 0;
  }
  void remove(List::iterator entry);
  void remove_oldest();
  void spare(List::iterator entry);

  size_t descriptors_max_;
  size_t descriptors_ = 0;
  size_t body_bytes_max_;
  size_t body_bytes_ = 0;
  uint32_t epoch_ = 0;
  uint64_t changes_ = 0;
  List entries_;  // newest or spared first
  HashIndex<List::iterator> by_path_;
};

}  // namespace ringserve::files
