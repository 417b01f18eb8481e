// The kernel resolves every path anew (root.h). First with RESOLVE_CACHED, which never waits for a
// disk; where that cannot tell, the caller opens through the ring. Files are opened O_NONBLOCK, so
// that a FIFO cannot hold a worker, and only regular ones are kept.
#include "server/files/site.h"

#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
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

bool names_directory(std::string_view path) { return path.empty() || path.back() == '/'; }

open_how how_to_open(Lookup::Stage stage) {
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  if (stage == Lookup::Stage::directory) how.flags |= O_DIRECTORY;
  return how;
}

timespec now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

Lookup::Outcome outcome_of(int error) {
  using Outcome = Lookup::Outcome;
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case ENXIO:  // a socket
    case ENODEV: return Outcome::not_found;
    case EACCES:
    case EPERM:
    case EXDEV: return Outcome::forbidden;
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Outcome::exhausted;
    default: return Outcome::failed;
  }
}

// What was opened now is what the file is an opening of. A time stops being in the future without
// any change of the file.
bool is_same(const File& file, const Opened& opened) {
  return file.identity == Identity::of(opened.facts) &&
         file.has_useful_mtime == has_useful_mtime(opened.facts.st_mtim.tv_sec, now().tv_sec);
}

bool is_same(const File& file, const Lookup& lookup) {
  if (file.name != lookup.name || !is_same(file, lookup.base)) return false;
  for (size_t i = 0; i < lookup.variants.size(); ++i) {
    const File* variant = file.variants.empty() ? nullptr : file.variants[i].get();
    const Opened& opened = lookup.variants[i];
    if ((variant != nullptr) != opened.fd.valid()) return false;
    if (variant != nullptr && !is_same(*variant, opened)) return false;
  }
  return true;
}

bool is_in_memory(File& file) {
  bool all = true;
  file.for_each_form([&](File& form) { all = all && form.body_in_memory; });
  return all;
}

}  // namespace

net::Result<std::unique_ptr<Site>> Site::open(SiteOptions options) {
  CHECK(options.media_types != nullptr && options.describe);
  auto root = Root::open(options.root, options.follow_symlinks);
  if (!root) return tl::unexpected(root.error());
  return std::unique_ptr<Site>(new Site(std::move(options), std::move(*root)));
}

Site::Site(SiteOptions options, Root root)
    : options_(std::move(options)),
      root_(std::move(root)),
      watcher_(root_.fd()),
      cache_(std::max(options_.open_files_max, 1 + options_.variant_suffixes.size()),
             options_.memory_cache_bytes) {}

const FileRef* Site::find_cached(std::string_view path, int64_t now_ms) {
  const Cache::Entry* entry = cache_.find(path);
  if (entry == nullptr || !cache_.is_trusted(*entry, now_ms)) return nullptr;
  File& file = *entry->file;
  const bool may_wait = entry->watched || is_in_memory(file);
  if (may_wait && now_ms - file.looked_at_ms < kLookAgainMs) return &entry->file;
  if (!is_unchanged(file)) return nullptr;
  file.looked_at_ms = now_ms;
  return &entry->file;
}

void Site::find(std::string_view path, int64_t now_ms, Lookup& lookup) {
  lookup.reset();
  lookup.path.assign(path);
  lookup.index = 0;
  lookup.changes_at_start = cache_.changes();
  lookup.plain = true;
  lookup.complete = true;
  lookup.finds_target = false;
  lookup.target.clear();
  begin_next_name(lookup);
  go_on(lookup, now_ms);
}

void Site::opened(Lookup& lookup, int result, int64_t now_ms) {
  settle(lookup, result, now_ms);
  go_on(lookup, now_ms);
}

FileFd Site::own(int fd) const {
  return FileFd(net::OwnedFd(fd), options_.left_to_close, root_.may_wait_for_others());
}

void Site::discard(int result) const {
  if (result >= 0) own(result).reset();
}

void Site::go_on(Lookup& lookup, int64_t now_ms) {
  while (lookup.outcome == Lookup::Outcome::wants_open) {
    const int result = root_.open_without_disk(lookup.to_open(), lookup.how);
    if (result == -EAGAIN) return;
    settle(lookup, result, now_ms);
  }
}

void Site::begin_next_name(Lookup& lookup) {
  lookup.open_path = lookup.path;
  if (!names_directory(lookup.path)) {
    begin_open(lookup, Lookup::Stage::file);
  } else if (lookup.index < options_.index_names.size()) {
    lookup.open_path += options_.index_names[lookup.index++];
    begin_open(lookup, Lookup::Stage::file);
  } else if (options_.list_directories) {
    if (lookup.path.empty()) lookup.open_path = ".";
    begin_open(lookup, Lookup::Stage::directory);
  } else {
    end_without_file(lookup, Lookup::Outcome::not_found);
  }
}

void Site::begin_next_variant(Lookup& lookup, int64_t now_ms) {
  const size_t next = lookup.variants.size();
  if (next == options_.variant_suffixes.size() || is_variant_name(lookup.name)) {
    return finish(lookup, now_ms);
  }
  lookup.open_path = lookup.name;
  lookup.open_path += options_.variant_suffixes[next];
  begin_open(lookup, Lookup::Stage::variant);
}

void Site::begin_open(Lookup& lookup, Lookup::Stage stage) {
  lookup.stage = stage;
  lookup.outcome = Lookup::Outcome::wants_open;
  lookup.retries = 0;
  lookup.finds_target = false;
  lookup.target.clear();
  lookup.how = how_to_open(stage);
  lookup.how.resolve = lookup.plain ? Root::kPlain : root_.resolve_flags();
  if (stage == Lookup::Stage::file) lookup.watched = watcher_.is_watched(lookup.open_path);
}

void Site::settle(Lookup& lookup, int result, int64_t now_ms) {
  if (lookup.finds_target && result >= 0) {
    result = settle_target(lookup, result);
    if (result == 0) return;
  }
  if (result < 0 && worth_another_attempt(lookup, -result)) return;
  Opened opened{own(result)};
  int error = opened.fd.valid() ? 0 : -result;
  if (error == 0) error = stat_without_disk(opened.fd.get(), opened.facts);
  // By a link or a mount to another file system, of which nothing is known.
  if (opened.facts.st_dev != root_.device()) opened.fd.always_waits();
  switch (lookup.stage) {
    case Lookup::Stage::file: return settle_file(lookup, std::move(opened), error, now_ms);
    case Lookup::Stage::variant: return settle_variant(lookup, std::move(opened), error, now_ms);
    case Lookup::Stage::directory: break;
  }
  lookup.error = error;
  if (error == 0) lookup.directory = opened.fd.take();
  end_without_file(lookup, error == 0 ? Lookup::Outcome::listing : outcome_of(error));
}

// Root::find_target() has opened what an absolute link leads to. 0: its name is opened next.
int Site::settle_target(Lookup& lookup, int result) {
  const net::OwnedFd found(result);  // O_PATH: closing it asks nobody
  lookup.target = root_.name_of(found.get());
  if (lookup.target.empty()) return -EXDEV;
  lookup.finds_target = false;
  lookup.how = how_to_open(lookup.stage);
  lookup.how.resolve = Root::kTarget;
  return 0;
}

// True: the outcome is still wants_open, and the same name is opened again.
bool Site::worth_another_attempt(Lookup& lookup, int error) {
  switch (error) {
    case ELOOP:
    case EXDEV:
      if (lookup.how.resolve == Root::kPlain) {
        lookup.how.resolve = root_.resolve_flags();
        lookup.plain = false;
        return true;
      }
      if (error == ELOOP || lookup.how.resolve != root_.resolve_flags() || lookup.finds_target ||
          !lookup.target.empty() || !root_.allows_absolute_links()) {
        return false;
      }
      lookup.finds_target = true;
      lookup.how = Root::find_target();
      return true;
    case EMFILE:
    case ENFILE: return lookup.retries++ == 0 && cache_.shed() > 0;
    case EINTR:   // a file system in user space, or over a network
    case EAGAIN:  // a rename raced with "..", or a lease is being broken: openat2(2)
      return lookup.retries++ < kRetriesMax;
    default: return false;
  }
}

void Site::settle_file(Lookup& lookup, Opened opened, int error, int64_t now_ms) {
  if (error == 0 && S_ISDIR(opened.facts.st_mode) && !names_directory(lookup.path)) {
    return end_without_file(lookup, Lookup::Outcome::directory);
  }
  if (error == 0 && !S_ISREG(opened.facts.st_mode)) error = ENOENT;
  if (error == 0) {
    lookup.name = lookup.open_path;
    lookup.base = std::move(opened);
    return begin_next_variant(lookup, now_ms);
  }
  lookup.error = error;
  const bool is_absent = error == ENOENT || error == ENOTDIR;
  if (is_absent && names_directory(lookup.path)) return begin_next_name(lookup);
  end_without_file(lookup, outcome_of(error));
}

// A neighbour that cannot be opened now, though it may be there, does not take the file itself
// away: it is left out of this answer, and the next request looks again.
void Site::settle_variant(Lookup& lookup, Opened opened, int error, int64_t now_ms) {
  using Outcome = Lookup::Outcome;
  if (error != 0) {
    const Outcome outcome = outcome_of(error);
    if (outcome != Outcome::not_found && outcome != Outcome::forbidden) lookup.complete = false;
    opened.fd.reset();
  } else if (!S_ISREG(opened.facts.st_mode) ||
             in_ns(opened.facts.st_mtim) < in_ns(lookup.base.facts.st_mtim)) {
    opened.fd.reset();
  }
  lookup.variants.push_back(std::move(opened));
  begin_next_variant(lookup, now_ms);
}

void Site::end_without_file(Lookup& lookup, Lookup::Outcome outcome) {
  lookup.outcome = outcome;
  if (outcome != Lookup::Outcome::exhausted) cache_.erase(lookup.path);
}

void Site::finish(Lookup& lookup, int64_t now_ms) {
  Cache::Entry* entry = cache_.find(lookup.path);
  if (entry == nullptr || !is_same(*entry->file, lookup)) {
    entry = &cache_.put(lookup.path, make_file(lookup));
  }
  trust(*entry, lookup, now_ms);
  load_bodies(*entry->file);
  lookup.reset();
  lookup.file = entry->file;
  lookup.outcome = Lookup::Outcome::file;
}

// A watch protects a file only if it was there before the file was looked at. Where it was not, the
// first look sets it, and the second, at the next request, finds it there.
void Site::trust(Cache::Entry& entry, const Lookup& lookup, int64_t now_ms) {
  bool can_be_watched = lookup.plain;
  entry.file->for_each_form(
      [&](File& form) { can_be_watched = can_be_watched && !form.has_other_names; });
  can_be_watched = can_be_watched && watcher_.watch_path(entry.file->name);
  entry.watched = can_be_watched && lookup.watched && cache_.changes() == lookup.changes_at_start;
  entry.epoch = cache_.epoch();
  int64_t trusted_ms = can_be_watched ? 0 : kRevalidateMs;
  if (entry.watched) trusted_ms = kWatchedRevalidateMs;
  if (!lookup.complete) trusted_ms = 0;
  entry.trusted_until_ms = now_ms + trusted_ms;
}

bool Site::is_variant_name(std::string_view name) const {
  return std::any_of(options_.variant_suffixes.begin(), options_.variant_suffixes.end(),
                     [&](const std::string& suffix) { return name.ends_with(suffix); });
}

FileRef Site::make_file(Lookup& lookup) {
  FileRef file = make_form(std::move(lookup.base), lookup.name, "");
  for (size_t i = 0; i < lookup.variants.size(); ++i) {
    if (!lookup.variants[i].fd.valid()) continue;
    file->variants.resize(lookup.variants.size());
    const std::string& suffix = options_.variant_suffixes[i];
    file->variants[i] = make_form(std::move(lookup.variants[i]), lookup.name + suffix, suffix);
  }
  const std::string_view content_type = options_.media_types->of(lookup.name);
  const bool any = !file->variants.empty();
  file->description = options_.describe({*file, lookup.name, content_type, -1, any});
  for (size_t i = 0; i < file->variants.size(); ++i) {
    File* variant = file->variants[i].get();
    if (variant == nullptr) continue;
    variant->description =
        options_.describe({*variant, lookup.name, content_type, static_cast<int>(i), any});
  }
  return file;
}

FileRef Site::make_form(Opened opened, const std::string& name, std::string_view suffix) {
  auto file = std::make_shared<File>();
  file->fd = std::move(opened.fd);
  // Of all sites of the thread: what is remembered of openings is the worker's (send/page_cache.h).
  static thread_local uint64_t openings = 0;
  file->opening = ++openings;
  file->name = name;
  file->identity = Identity::of(opened.facts);
  file->size_bytes = static_cast<uint64_t>(opened.facts.st_size);
  file->mtime_s = opened.facts.st_mtim.tv_sec;
  file->has_useful_mtime = has_useful_mtime(file->mtime_s, now().tv_sec);
  file->has_other_names = opened.facts.st_nlink > 1;
  file->etag = make_etag(options_.etag, file->identity, file->mtime_s, suffix);
  return file;
}

// A file may have been rewritten in place since: a look costs far less than a response cut short,
// or an old one. All its forms are looked at, since a response may send any of them.
bool Site::is_unchanged(File& file) {
  bool same = true;
  file.for_each_form([&](File& form) {
    struct stat facts {};
    same = same && stat_without_disk(form.fd.get(), facts) == 0 &&
           Identity::of(facts) == form.identity;
  });
  if (same) load_bodies(file);
  return same;
}

void Site::load_bodies(File& file) {
  if (options_.memory_cache_bytes == 0) return;
  file.for_each_form([&](File& form) { load_body(form, file); });
}

// Reads a small file into memory if that needs no disk (RWF_NOWAIT) and the file is the same
// before and after. Cold pages come in with the response that needs them; the next one finds them.
void Site::load_body(File& form, const File& base) {
  if (form.body_in_memory || form.size_bytes > options_.memory_body_bytes_max) return;
  if (in_ns(now()) - form.identity.ctime_ns < kRacyChangeNs) return;
  std::string body(form.size_bytes, '\0');
  iovec part{body.data(), body.size()};
  const ssize_t got = ::preadv2(form.fd.get(), &part, 1, 0, RWF_NOWAIT);
  if (got != static_cast<ssize_t>(body.size())) return;
  struct stat facts {};
  if (stat_without_disk(form.fd.get(), facts) != 0) return;
  if (Identity::of(facts) != form.identity) return;
  if (!cache_.make_room_for_body(form.size_bytes, base)) return;
  form.body = std::move(body);
  form.body_in_memory = true;
  cache_.account_body(form.size_bytes);
}

}  // namespace ringserve::files
