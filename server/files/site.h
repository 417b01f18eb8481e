// A directory tree as the answer to "which file is this path?": openat2(2) below the root, index
// files, precompressed neighbours, and a cache of open files. One per worker, used by its thread
// only. Knows no HTTP and no socket. A look-up that would wait for the disk says so
// (Lookup::wants_open) and goes on when the caller brings the opened descriptor: nothing here
// blocks on a cold directory.
#pragma once

#include <linux/openat2.h>
#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"
#include "server/files/cache.h"
#include "server/files/etag.h"
#include "server/files/file.h"
#include "server/files/media_types.h"
#include "server/files/root.h"
#include "server/files/watcher.h"

namespace ringserve::files {

// What SiteOptions::describe is told.
struct Appearance {
  const File& file;
  std::string_view name;          // below the root: of the file, or of the one it is a variant of
  std::string_view content_type;  // by that name
  int variant = -1;               // index in variant_suffixes; -1: the file itself
  bool has_variants = false;      // the file itself or its siblings: there is a choice
};

struct SiteOptions {
  std::string root;
  std::vector<std::string> index_names = {"index.html"};
  FollowSymlinks follow_symlinks = FollowSymlinks::within;
  size_t memory_cache_bytes = 0;  // of bodies, for this worker
  // A body up to this size may be kept in memory and sent together with its head.
  uint64_t memory_body_bytes_max = 0;
  // Descriptors the cache may hold, for this worker. Room for one file with all its variants is
  // taken in any case.
  size_t open_files_max = 1;
  const MediaTypes* media_types = nullptr;
  // "name.suffix" beside "name" is another form of it, unless it is older: ".br", ".gz". A name
  // that ends so itself has no variants.
  std::vector<std::string> variant_suffixes;
  EtagKind etag = EtagKind::size_mtime;
  LeftToClose* left_to_close = nullptr;  // outlives the site and its files
  bool list_directories = false;  // a directory without an index file is opened: Outcome::listing
  // Text to keep beside each file; the server puts the reply's entity fields there. Called once for
  // each opening, when it is known which variants there are.
  std::function<Description(const Appearance&)> describe;
};

// What openat2(2) and fstat(2) said of one name.
struct Opened {
  FileFd fd;  // not valid: there is no such file
  struct stat facts {};
};

// One look-up, from Site::find() to its outcome.
struct Lookup {
  enum class Outcome {
    file,        // `file` is set
    directory,   // the path names a directory but lacks the slash at its end
    listing,     // a directory without an index file: `directory` is open
    not_found,   // absent, or nothing that can be served
    forbidden,   // no permission, or outside of the root
    exhausted,   // no descriptor or memory left: `error` says which; worth a retry
    failed,      // the disk or the kernel failed: `error`
    wants_open,  // openat2(root_fd(), to_open(), &how), then Site::opened()
  };
  Outcome outcome = Outcome::not_found;
  FileRef file;
  net::OwnedFd directory;
  int error = 0;

  std::string path;       // decoded, below the root, "" for the root itself
  std::string open_path;  // what is being opened: the path, an index file of it, a variant of that
  open_how how{};
  const std::string& to_open() const { return target.empty() ? open_path : target; }

  // What follows is for Site alone.
  enum class Stage { file, variant, directory };
  Stage stage = Stage::file;
  size_t index = 0;               // of the index name to be tried next
  unsigned retries = 0;           // of open_path
  bool finds_target = false;      // of an absolute link: `how` asks for no more than its name
  std::string target;             // that name, while it is being opened in place of open_path
  uint64_t changes_at_start = 0;  // Cache::changes() when the look-up began
  bool watched = false;           // its directory was, before it was opened
  bool plain = false;             // no link and no mount on the way to anything that was tried
  bool complete = false;          // of every variant it is known whether it is there
  std::string name;               // of the file, once it is open
  Opened base;
  std::vector<Opened> variants;  // those tried so far

  void reset() {
    file.reset();
    directory.reset();
    base.fd.reset();
    variants.clear();
  }
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

  // In place of opened(), where nobody waits for it any more.
  void discard(int result) const;

  // Gives up the descriptors nobody is sending from; for when the process has none left.
  size_t shed_descriptors() { return cache_.shed(); }

  // An errno where a directory could not be watched for want of a resource, once.
  int take_watch_error() { return watcher_.take_error(); }

  size_t cached_files() const { return cache_.files(); }  // without their variants
  size_t cached_body_bytes() const { return cache_.body_bytes(); }

  int root_fd() const { return root_.fd(); }
  // For the worker to read when it becomes readable; -1 where files are revalidated instead.
  int watch_fd() const { return watcher_.fd(); }
  void on_watch_events() {
    watcher_.read_events(cache_, {options_.index_names, options_.variant_suffixes});
  }

 private:
  Site(SiteOptions options, Root root);

  // The look-up's steps: one name after the other is opened and its result settled, until there is
  // an outcome or the disk is needed.
  void go_on(Lookup& lookup, int64_t now_ms);
  void begin_next_name(Lookup& lookup);
  void begin_next_variant(Lookup& lookup, int64_t now_ms);
  void begin_open(Lookup& lookup, Lookup::Stage stage);
  void settle(Lookup& lookup, int result, int64_t now_ms);
  bool worth_another_attempt(Lookup& lookup, int error);
  int settle_target(Lookup& lookup, int result);
  FileFd own(int fd) const;
  void settle_file(Lookup& lookup, Opened opened, int error, int64_t now_ms);
  void settle_variant(Lookup& lookup, Opened opened, int error, int64_t now_ms);
  void finish(Lookup& lookup, int64_t now_ms);
  void end_without_file(Lookup& lookup, Lookup::Outcome outcome);

  bool is_variant_name(std::string_view name) const;
  FileRef make_file(Lookup& lookup);
  FileRef make_form(Opened opened, const std::string& name, std::string_view suffix);
  void trust(Cache::Entry& entry, const Lookup& lookup, int64_t now_ms);
  bool is_unchanged(File& file);
  void load_bodies(File& file);
  void load_body(File& form, const File& base);

  SiteOptions options_;
  Root root_;
  Watcher watcher_;
  Cache cache_;
};

}  // namespace ringserve::files
