// A directory tree as the answer to "which file is this path?": openat2(2) below the root, index
// files, and a cache of open files. One per worker, used by its thread only. Knows no HTTP and no
// socket. A look-up that would wait for the disk says so (Lookup::wants_open) and goes on when the
// caller brings the opened descriptor: nothing here blocks on a cold directory.
#pragma once

#include <linux/openat2.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"
#include "server/files/cache.h"
#include "server/files/file.h"
#include "server/files/media_types.h"
#include "server/files/watcher.h"

namespace ringserve::files {

enum class FollowSymlinks { within, never, always };

struct SiteOptions {
  std::string root;
  std::vector<std::string> index_names = {"index.html"};
  FollowSymlinks follow_symlinks = FollowSymlinks::within;
  size_t memory_cache_bytes = 0;  // of bodies, for this worker
  // A body up to this size may be kept in memory and sent together with its head.
  uint64_t memory_body_bytes_max = 0;
  size_t open_files_max = 1;  // descriptors the cache may hold, for this worker
  const MediaTypes* media_types = nullptr;
  // Text to keep beside each file; the server puts the reply's entity fields there.
  std::function<std::string(const File&, std::string_view content_type)> describe;
};

// One look-up, from Site::find() to its outcome.
struct Lookup {
  enum class Outcome {
    file,        // `file` is set
    directory,   // the path names a directory but lacks the slash at its end
    not_found,   // absent, or nothing that can be served
    forbidden,   // no permission, or outside of the root
    exhausted,   // no descriptor or memory left: `error` says which; worth a retry
    failed,      // the disk or the kernel failed: `error`
    wants_open,  // openat2(root_fd(), open_path, &how), then Site::opened()
  };
  Outcome outcome = Outcome::not_found;
  FileRef file;
  int error = 0;

  std::string path;       // decoded, below the root, "" for the root itself
  std::string open_path;  // what is being opened: the path, or the path and an index name
  open_how how{};
  size_t index = 0;  // which of the index names is being tried
  unsigned retries = 0;
  uint64_t changes_at_start = 0;  // Cache::changes() when the look-up began
  bool watched = false;           // its directories were, before it was opened
  bool plain = false;             // opened without a link or a mount on the way

  void reset() { file.reset(); }
};

class Site {
 public:
  static net::Result<std::unique_ptr<Site>> open(SiteOptions options);

  // The file of a path that may be answered without a look at the disk; null if there is none.
  // Valid until the next call of any member.
  const FileRef* find_cached(std::string_view path, int64_t now_ms);
  // `path` as http::decode_target() makes it. Sets lookup.outcome.
  void find(std::string_view path, int64_t now_ms, Lookup& lookup);
  // The answer to wants_open: a descriptor (taken over) or -errno.
  void opened(Lookup& lookup, int result, int64_t now_ms);

  // Gives up the descriptors nobody is sending from; for when the process has none left.
  size_t shed_descriptors() { return cache_.shed(); }

  int root_fd() const { return root_.get(); }
  // For the worker to read when it becomes readable; -1 where files are revalidated instead.
  int watch_fd() const { return watcher_.fd(); }
  void on_watch_events() { watcher_.read_events(cache_, options_.index_names); }

 private:
  Site(SiteOptions options, net::OwnedFd root);

  void try_open(Lookup& lookup, int64_t now_ms);
  void take(Lookup& lookup, net::OwnedFd fd, int64_t now_ms);
  void open_failed(Lookup& lookup, int error, int64_t now_ms);
  FileRef make_file(net::OwnedFd fd, const struct stat& facts, const std::string& name);
  void trust(Cache::Entry& entry, const Lookup& lookup, int64_t now_ms);
  bool is_plain_path(const std::string& name) const;
  bool is_unchanged(File& file);
  void load_body(File& file);
  int open_absolute_link(const std::string& name) const;

  SiteOptions options_;
  net::OwnedFd root_;
  std::string real_root_;
  Watcher watcher_;
  Cache cache_;
  uint64_t openings_ = 0;
};

}  // namespace ringserve::files
