// A change of a name inside a watched directory distrusts the cached paths it may concern: the
// name itself, what it is a variant of and, for an index name, its directory. A change of a
// directory (renamed, removed, replaced) distrusts all: it is rare, and a second look costs three
// microseconds a file.
#include "server/files/watcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "server/files/cache.h"
#include "server/files/magic.h"

namespace ringserve::files {
namespace {

constexpr uint32_t kEvents = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                             IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr uint32_t kNameChanged = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr uint32_t kDirectoryItself = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT;

// Only file systems that nobody can change behind this kernel's back.
bool reports_all_changes(int fd) {
  struct statfs facts {};
  if (::fstatfs(fd, &facts) < 0) return false;
  const long type = static_cast<long>(facts.f_type);
  return type == EXT4_SUPER_MAGIC || type == kXfsMagic || type == BTRFS_SUPER_MAGIC ||
         type == TMPFS_MAGIC || type == F2FS_SUPER_MAGIC || type == kZfsMagic;
}

// A file in it was opened just now, so the kernel knows it; if it no longer does, no watch is worth
// waiting for the disk.
int open_known(int root_fd, const char* directory) {
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_CACHED | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, root_fd, directory, &how, sizeof how));
}

void distrust(const std::string& prefix, std::string_view name, const Watcher::Names& names,
              Cache& cache) {
  cache.distrust(prefix + std::string(name));
  const auto& indexes = names.index_names;
  if (std::find(indexes.begin(), indexes.end(), name) != indexes.end()) cache.distrust(prefix);
}

}  // namespace

Watcher::Watcher(int root_fd) : root_fd_(root_fd) {
  if (!reports_all_changes(root_fd)) return;
  inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify_.valid()) error_ = errno;
}

bool Watcher::watch_directory(std::string_view directory) {
  if (watches_.contains(directory)) return true;
  if (watches_.size() >= kWatchesMax) return false;
  const std::string name(directory);
  net::OwnedFd fd(open_known(root_fd_, name.empty() ? "." : name.c_str()));
  if (!fd.valid() || !reports_all_changes(fd.get())) return false;
  const std::string by_fd = fmt::format("/proc/self/fd/{}", fd.get());
  const int watch = ::inotify_add_watch(inotify_.get(), by_fd.c_str(), kEvents | IN_ONLYDIR);
  if (watch >= 0) return remember(name, watch);
  if (errno == ENOSPC || errno == ENOMEM) error_ = errno;
  return false;
}

// False for an inode that has a watch under another name (a bind mount): events name only one.
bool Watcher::remember(const std::string& name, int watch) {
  if (!directories_.emplace(watch, name).second) return false;
  watches_.emplace(name, watch);
  return true;
}

// Of a directory that was moved, removed or replaced. What is below it, inotify tells nothing of:
// its names may come to mean other directories.
void Watcher::forget_below(std::string directory) {
  if (!watches_.contains(directory)) return;
  std::vector<int> gone;
  const std::string prefix = directory.empty() ? "" : directory + '/';
  for (const auto& [name, watch] : watches_) {
    if (name == directory || name.starts_with(prefix)) gone.push_back(watch);
  }
  for (const int watch : gone) forget(watch);
}

void Watcher::forget(int watch) {
  ::inotify_rm_watch(inotify_.get(), watch);
  const auto directory = directories_.find(watch);
  watches_.erase(directory->second);
  directories_.erase(directory);
}

bool Watcher::watch_path(std::string_view name) {
  if (is_watched(name)) return true;
  if (!inotify_.valid() || !watch_directory("")) return false;
  for (size_t slash = name.find('/'); slash != std::string_view::npos;
       slash = name.find('/', slash + 1)) {
    if (!watch_directory(name.substr(0, slash))) return false;
  }
  return true;
}

bool Watcher::is_watched(std::string_view name) const {
  const size_t slash = name.rfind('/');
  return watches_.contains(slash == std::string_view::npos ? "" : name.substr(0, slash));
}

void Watcher::read_events(Cache& cache, const Names& names) {
  alignas(inotify_event) char buffer[16 * 1024];
  ssize_t length = 0;
  while ((length = ::read(inotify_.get(), buffer, sizeof buffer)) > 0) {
    for (const char* at = buffer; at < buffer + length;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof *event + event->len;
      handle(*event, cache, names);
    }
  }
}

void Watcher::handle(const inotify_event& event, Cache& cache, const Names& names) {
  const auto directory = directories_.find(event.wd);
  if ((event.mask & (IN_Q_OVERFLOW | IN_ISDIR | kDirectoryItself)) != 0 ||
      directory == directories_.end()) {
    cache.distrust_all_watched();
  }
  if ((event.mask & IN_Q_OVERFLOW) != 0) return forget_below("");  // a move may be what is lost
  if (directory == directories_.end()) return;
  if ((event.mask & kDirectoryItself) != 0) return forget_below(directory->second);
  if (event.len == 0) return;
  const std::string_view name(event.name);
  const std::string prefix = directory->second.empty() ? "" : directory->second + "/";
  // A removed directory says so itself only when its last file is closed, which may be a cached
  // one of ours; the directory above it tells at once.
  if ((event.mask & IN_ISDIR) != 0 && (event.mask & kNameChanged) != 0) {
    forget_below(prefix + std::string(name));
  }
  distrust(prefix, name, names, cache);
  for (const std::string& suffix : names.variant_suffixes) {
    if (!name.ends_with(suffix)) continue;
    distrust(prefix, name.substr(0, name.size() - suffix.size()), names, cache);
  }
}

}  // namespace ringserve::files
