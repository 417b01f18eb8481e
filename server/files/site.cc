// Resolution is the kernel's: openat2(2) with RESOLVE_BENEATH decides what is below the root, for
// every look-up anew. First with RESOLVE_CACHED, which never waits for a disk; where that cannot
// tell, the caller opens through the ring. Files are opened O_NONBLOCK, so that a FIFO cannot hold
// a worker, and only regular ones are kept.
#include "server/files/site.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <climits>
#include <cstdlib>
#include <ctime>

#include "common/check.h"

namespace ringserve::files {
namespace {

// A replaced file is served new within a second: half of it for the look, half for the way there.
constexpr int64_t kRevalidateMs = 500;
// What inotify watches is looked at all the same, but seldom: a mount over a directory is silent.
constexpr int64_t kWatchedRevalidateMs = 10'000;
// And its descriptor this often, for what is written through a mapping or another hard link made
// since: nobody announces that.
constexpr int64_t kLookAgainMs = 100;
// A file changed this recently may change again within the same tick of its time stamps, and its
// new content would look like the old: not yet a body to keep in memory.
constexpr int64_t kRacyChangeNs = 2'000'000'000;
constexpr unsigned kRetriesMax = 8;

int open_beneath(int root_fd, const std::string& name, const open_how& how) {
  const long fd = ::syscall(SYS_openat2, root_fd, name.c_str(), &how, sizeof how);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

// Wraps for times beyond the year 2262: they are compared, not counted with.
int64_t in_ns(const timespec& time) {
  return static_cast<int64_t>(static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
                              static_cast<uint64_t>(time.tv_nsec));
}

// No link on the way and no mount (a file may be bind-mounted from elsewhere): what inotify sees.
constexpr uint64_t kPlain = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;

bool names_directory(std::string_view path) { return path.empty() || path.back() == '/'; }

uint64_t resolve_flags(FollowSymlinks follow) {
  switch (follow) {
    case FollowSymlinks::never: return RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    case FollowSymlinks::always: return RESOLVE_NO_MAGICLINKS;
    case FollowSymlinks::within: break;
  }
  return RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
}

}  // namespace

Identity Identity::of(const struct stat& facts) {
  return {facts.st_dev, facts.st_ino, facts.st_size, in_ns(facts.st_mtim), in_ns(facts.st_ctim)};
}

net::Result<std::unique_ptr<Site>> Site::open(SiteOptions options) {
  CHECK(options.media_types != nullptr && options.describe);
  net::OwnedFd root(::open(options.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root.valid()) {
    const int error = errno;
    const char* advice = error == ENOENT    ? "this directory does not exist"
                         : error == ENOTDIR ? "ROOT must be a directory"
                         : error == EACCES  ? "this user may not read it"
                                            : "";
    return net::fail("open the root directory " + options.root, error, advice);
  }
  return std::unique_ptr<Site>(new Site(std::move(options), std::move(root)));
}

Site::Site(SiteOptions options, net::OwnedFd root)
    : options_(std::move(options)),
      root_(std::move(root)),
      watcher_(root_.get()),
      cache_(options_.open_files_max, options_.memory_cache_bytes) {
  if (char* real = ::realpath(options_.root.c_str(), nullptr); real != nullptr) {
    real_root_ = real;
    std::free(real);
    if (real_root_ != "/") real_root_ += '/';
  }
}

const FileRef* Site::find_cached(std::string_view path, int64_t now_ms) {
  const Cache::Entry* entry = cache_.find(path);
  if (entry == nullptr || !cache_.is_trusted(*entry, now_ms)) return nullptr;
  File& file = *entry->file;
  const bool may_wait = entry->watched || file.body_in_memory;
  if (may_wait && now_ms - file.looked_at_ms < kLookAgainMs) return &entry->file;
  if (!is_unchanged(file)) return nullptr;
  file.looked_at_ms = now_ms;
  return &entry->file;
}

void Site::find(std::string_view path, int64_t now_ms, Lookup& lookup) {
  lookup.file.reset();
  lookup.path.assign(path);
  lookup.index = 0;
  lookup.retries = 0;
  lookup.changes_at_start = cache_.changes();
  try_open(lookup, now_ms);
}

void Site::try_open(Lookup& lookup, int64_t now_ms) {
  lookup.open_path = lookup.path;
  if (names_directory(lookup.path)) {
    if (lookup.index >= options_.index_names.size()) {
      cache_.erase(lookup.path);
      lookup.outcome = Lookup::Outcome::not_found;
      return;
    }
    lookup.open_path += options_.index_names[lookup.index];
  }
  lookup.how = {};
  lookup.how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  lookup.how.resolve = resolve_flags(options_.follow_symlinks);
  lookup.watched = watcher_.is_watched(lookup.open_path);

  // Most paths are plain, and that a path is so has to be known before it is trusted.
  open_how how = lookup.how;
  how.resolve = RESOLVE_CACHED | kPlain;
  int fd = open_beneath(root_.get(), lookup.open_path, how);
  lookup.plain = fd >= 0;
  if (fd == -ELOOP || fd == -EXDEV) {
    how.resolve = RESOLVE_CACHED | lookup.how.resolve;
    fd = open_beneath(root_.get(), lookup.open_path, how);
  }
  if (fd == -EAGAIN) {
    lookup.outcome = Lookup::Outcome::wants_open;
  } else {
    opened(lookup, fd, now_ms);
  }
}

void Site::opened(Lookup& lookup, int result, int64_t now_ms) {
  if (result == -EXDEV && options_.follow_symlinks == FollowSymlinks::within) {
    result = open_absolute_link(lookup.open_path);
  }
  if (result == -EMFILE || result == -ENFILE) {
    if (lookup.retries++ == 0 && cache_.shed() > 0) return try_open(lookup, now_ms);
  }
  if (result < 0) return open_failed(lookup, -result, now_ms);
  take(lookup, net::OwnedFd(result), now_ms);
}

void Site::open_failed(Lookup& lookup, int error, int64_t now_ms) {
  lookup.error = error;
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      if (names_directory(lookup.path)) {
        ++lookup.index;
        return try_open(lookup, now_ms);
      }
      [[fallthrough]];
    case ENAMETOOLONG:
    case ELOOP:
    case ENXIO:  // a socket
    case ENODEV: lookup.outcome = Lookup::Outcome::not_found; break;
    case EACCES:
    case EPERM:
    case EXDEV: lookup.outcome = Lookup::Outcome::forbidden; break;
    case EAGAIN:  // a rename raced with "..", or a lease is being broken: openat2(2)
      if (lookup.retries++ < kRetriesMax) {
        lookup.outcome = Lookup::Outcome::wants_open;
        return;
      }
      [[fallthrough]];
    case EMFILE:
    case ENFILE:
    case ENOMEM: lookup.outcome = Lookup::Outcome::exhausted; return;
    default: lookup.outcome = Lookup::Outcome::failed; break;
  }
  cache_.erase(lookup.path);
}

// A file may have been rewritten in place since: a look costs far less than a response cut short,
// or an old one.
bool Site::is_unchanged(File& file) {
  struct stat facts {};
  if (::fstat(file.fd.get(), &facts) < 0 || Identity::of(facts) != file.identity) return false;
  if (!file.body_in_memory) load_body(file);
  return true;
}

// An open descriptor: regular files go into the cache, everything else is refused.
void Site::take(Lookup& lookup, net::OwnedFd fd, int64_t now_ms) {
  struct stat facts {};
  if (::fstat(fd.get(), &facts) < 0) return open_failed(lookup, errno, now_ms);
  if (S_ISDIR(facts.st_mode) && !names_directory(lookup.path)) {
    cache_.erase(lookup.path);
    lookup.outcome = Lookup::Outcome::directory;
    return;
  }
  if (!S_ISREG(facts.st_mode)) return open_failed(lookup, ENOENT, now_ms);

  Cache::Entry* entry = cache_.find(lookup.path);
  const bool seen_before = entry != nullptr && entry->file->identity == Identity::of(facts) &&
                           entry->file->name == lookup.open_path;
  if (!seen_before) {
    entry = &cache_.put(lookup.path, make_file(std::move(fd), facts, lookup.open_path));
  }
  trust(*entry, lookup, now_ms);
  if (!entry->file->body_in_memory) load_body(*entry->file);
  lookup.file = entry->file;
  lookup.outcome = Lookup::Outcome::file;
}

// A watch protects a file only if it was there before the file was looked at. Where it was not, the
// first look sets it, and the second, at the next request, finds it there.
void Site::trust(Cache::Entry& entry, const Lookup& lookup, int64_t now_ms) {
  const bool plain = lookup.plain || is_plain_path(entry.file->name);
  const bool can_be_watched =
      !entry.file->has_other_names && plain && watcher_.watch_path(entry.file->name);
  entry.watched = can_be_watched && lookup.watched && cache_.changes() == lookup.changes_at_start;
  entry.epoch = cache_.epoch();
  int64_t trusted_ms = can_be_watched ? 0 : kRevalidateMs;
  if (entry.watched) trusted_ms = kWatchedRevalidateMs;
  entry.trusted_until_ms = now_ms + trusted_ms;
}

bool Site::is_plain_path(const std::string& name) const {
  if (watcher_.fd() < 0) return false;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_CACHED | kPlain;
  return net::OwnedFd(open_beneath(root_.get(), name, how)).valid();
}

FileRef Site::make_file(net::OwnedFd fd, const struct stat& facts, const std::string& name) {
  auto file = std::make_shared<File>();
  file->fd = std::move(fd);
  file->opening = ++openings_;
  file->name = name;
  file->identity = Identity::of(facts);
  file->size_bytes = static_cast<uint64_t>(facts.st_size);
  file->mtime_s = facts.st_mtim.tv_sec;
  file->has_other_names = facts.st_nlink > 1;
  file->etag = fmt::format("\"{:x}-{:x}\"", file->identity.mtime_ns, file->size_bytes);
  file->description = options_.describe(*file, options_.media_types->of(name));
  return file;
}

// Reads a small file into memory if that needs no disk (RWF_NOWAIT) and the file is the same
// before and after. Cold pages come in with the response that needs them; the next one finds them.
void Site::load_body(File& file) {
  if (options_.memory_cache_bytes == 0) return;
  if (file.size_bytes > options_.memory_body_bytes_max) return;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (in_ns(now) - file.identity.ctime_ns < kRacyChangeNs) return;
  std::string body(file.size_bytes, '\0');
  iovec part{body.data(), body.size()};
  const ssize_t got = ::preadv2(file.fd.get(), &part, 1, 0, RWF_NOWAIT);
  if (got != static_cast<ssize_t>(body.size())) return;
  struct stat facts {};
  if (::fstat(file.fd.get(), &facts) < 0 || Identity::of(facts) != file.identity) return;
  if (!cache_.make_room_for_body(file.size_bytes)) return;
  file.body = std::move(body);
  file.body_in_memory = true;
  cache_.account_body(file.size_bytes);
}

// RESOLVE_BENEATH refuses every absolute link, also one that points below the root. The name it
// leads to is found out the slow way; opening it below the root, without any link, is the check.
int Site::open_absolute_link(const std::string& name) const {
  if (real_root_.empty()) return -EXDEV;
  char* resolved = ::realpath((real_root_ + name).c_str(), nullptr);
  if (resolved == nullptr) return -errno;
  const std::string target(resolved);
  std::free(resolved);
  if (target.compare(0, real_root_.size(), real_root_) != 0) return -EXDEV;
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return open_beneath(root_.get(), target.substr(real_root_.size()), how);
}

}  // namespace ringserve::files
