// getdents64(2) in large steps, then statx(2) for each name below the open directory. Never tells
// the facts of a file outside of the root: a link is opened first (O_PATH), and then the kernel is
// asked where that is.
#include "server/listing/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <optional>
#include <vector>

namespace ringserve::listing {
namespace {

using files::FollowSymlinks;

constexpr size_t kStepBytes = 256 * 1024;  // of getdents64(2): some thousand names
constexpr unsigned kFactsWanted = STATX_TYPE | STATX_SIZE | STATX_MTIME | STATX_CTIME;

// "/srv/www", of whatever the descriptor stands for; empty where /proc cannot tell.
std::string path_of(int fd) {
  char path[PATH_MAX];
  const std::string link = fmt::format("/proc/self/fd/{}", fd);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : std::string();
}

class Reader {
 public:
  Reader(int fd, const Choice& choice, Directory& directory)
      : fd_(fd), choice_(choice), directory_(directory) {
    if (choice.root_fd < 0) return;
    root_path_ = path_of(choice.root_fd);
    if (!root_path_.empty() && root_path_.back() != '/') root_path_ += '/';
  }

  int read(const std::atomic<bool>& ending);

 private:
  bool is_wanted(const dirent64& found) const;
  void take(const dirent64& found);
  std::optional<struct statx> facts_of(const char* name);
  std::optional<struct statx> facts_of_target(const char* name);
  bool is_below_root(int target) const;

  int fd_;
  const Choice& choice_;
  Directory& directory_;
  std::string root_path_;  // with a slash at its end; empty: not known
};

int Reader::read(const std::atomic<bool>& ending) {
  struct stat own {};
  if (::fstat(fd_, &own) < 0) return errno;
  directory_.changed_at_s = own.st_ctim.tv_sec;
  std::vector<char> step(kStepBytes);
  for (;;) {
    const ssize_t got = ::getdents64(fd_, step.data(), step.size());
    if (got < 0) return errno;
    if (got == 0) return 0;
    for (ssize_t at = 0; at < got;) {
      if (ending) return ECANCELED;
      const auto* found = reinterpret_cast<const dirent64*>(step.data() + at);
      if (is_wanted(*found)) take(*found);
      at += found->d_reclen;
    }
  }
}

bool Reader::is_wanted(const dirent64& found) const {
  const std::string_view name = found.d_name;
  if (name == "." || name == "..") return false;
  if (name.front() == '.' && !choice_.hidden) return false;
  switch (found.d_type) {
    case DT_LNK: return choice_.follow_symlinks != FollowSymlinks::never;
    case DT_REG:
    case DT_DIR:
    case DT_UNKNOWN: return true;  // the last by file systems that do not tell
    default: return false;
  }
}

// What cannot be looked at (it went meanwhile, the directory may not be searched) cannot be served
// either, and is left out.
void Reader::take(const dirent64& found) {
  Contents& contents = directory_.contents;
  if (contents.entries.size() >= choice_.names_max) {
    ++contents.unlisted;
    return;
  }
  const std::optional<struct statx> facts = facts_of(found.d_name);
  if (!facts || (!S_ISREG(facts->stx_mode) && !S_ISDIR(facts->stx_mode))) return;
  contents.entries.push_back(
      {found.d_name, S_ISDIR(facts->stx_mode), facts->stx_size, facts->stx_mtime.tv_sec});
  directory_.changed_at_s = std::max<int64_t>(directory_.changed_at_s, facts->stx_ctime.tv_sec);
}

std::optional<struct statx> Reader::facts_of(const char* name) {
  struct statx facts {};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if (::statx(fd_, name, flags, kFactsWanted, &facts) < 0) return std::nullopt;
  if (!S_ISLNK(facts.stx_mode)) return facts;
  if (choice_.follow_symlinks == FollowSymlinks::never) return std::nullopt;
  directory_.announces_changes = false;
  return facts_of_target(name);
}

std::optional<struct statx> Reader::facts_of_target(const char* name) {
  const net::OwnedFd target(::openat(fd_, name, O_PATH | O_CLOEXEC));
  if (!target.valid()) return std::nullopt;
  const bool anywhere = choice_.follow_symlinks == FollowSymlinks::always;
  if (!anywhere && !is_below_root(target.get())) return std::nullopt;
  struct statx facts {};
  if (::statx(target.get(), "", AT_EMPTY_PATH, kFactsWanted, &facts) < 0) return std::nullopt;
  return facts;
}

// The root itself counts: a link to it can be served.
bool Reader::is_below_root(int target) const {
  if (root_path_.empty()) return false;
  const std::string path = path_of(target) + "/";
  return path.compare(0, root_path_.size(), root_path_) == 0;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The digits at the front of `text`, taken off, without zeros in front of them.
std::string_view take_number(std::string_view& text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  std::string_view number = text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(number.size());
  number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
  return number;
}

// Negative, 0 or positive. Numbers may be longer than any integer: the longer one is greater.
int compare_as_people_do(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view left = take_number(a);
      const std::string_view right = take_number(b);
      if (left.size() != right.size()) return left.size() < right.size() ? -1 : 1;
      if (const int difference = left.compare(right); difference != 0) return difference;
      continue;
    }
    const int difference =
        static_cast<unsigned char>(lower(a.front())) - static_cast<unsigned char>(lower(b.front()));
    if (difference != 0) return difference;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return static_cast<int>(!a.empty()) - static_cast<int>(!b.empty());
}

}  // namespace

int read_directory(int fd, const Choice& choice, const std::atomic<bool>& ending,
                   Directory& directory) {
  if (const int error = Reader(fd, choice, directory).read(ending); error != 0) return error;
  std::sort(directory.contents.entries.begin(), directory.contents.entries.end(), is_listed_before);
  return 0;
}

bool is_listed_before(const Entry& a, const Entry& b) {
  if (a.directory != b.directory) return a.directory;
  const int difference = compare_as_people_do(a.name, b.name);
  return difference != 0 ? difference < 0 : a.name < b.name;
}

}  // namespace ringserve::listing
