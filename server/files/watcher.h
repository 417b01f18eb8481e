// inotify(7) on the directories of cached files, so that a replaced file is noticed at once and an
// unchanged one is not looked at again and again. What inotify cannot see (links, other hard
// links, network file systems) is not watched; the caller revalidates it often instead.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/net/owned_fd.h"

struct inotify_event;  // <sys/inotify.h>

namespace ringserve::files {

class Cache;

class Watcher {
 public:
  // Through which other names a file is reached: its directory's by the first, what it is a variant
  // of by the second.
  struct Names {
    const std::vector<std::string>& index_names;
    const std::vector<std::string>& variant_suffixes;
  };
  static constexpr size_t kWatchesMax = 8192;  // per worker; the system's limit may be lower

  // Watches nothing if the file system of `root_fd` reports no changes, or inotify is exhausted.
  explicit Watcher(int root_fd);

  int fd() const { return inotify_.get(); }
  // Watches every directory from the root to the one that holds `name`; false if one cannot be.
  bool watch_path(std::string_view name);
  // The errno of what was exhausted since this was last asked, or 0.
  int take_error() { return std::exchange(error_, 0); }
  // Whether they all are watched already: a file opened after this was asked cannot have changed
  // unannounced.
  bool is_watched(std::string_view name) const;
  void read_events(Cache& cache, const Names& names);

 private:
  void handle(const inotify_event& event, Cache& cache, const Names& names);
  bool watch_directory(std::string_view directory);
  bool remember(const std::string& name, int watch);
  void forget_below(std::string directory);
  void forget(int watch);

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  int root_fd_;
  net::OwnedFd inotify_;
  int error_ = 0;
  // Directory below the root -> descriptor, and back. One that is here has those above it here.
  std::unordered_map<std::string, int, Hash, std::equal_to<>> watches_;
  std::unordered_map<int, std::string> directories_;
};

}  // namespace ringserve::files
