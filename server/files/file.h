// An open file and the facts that belong to exactly this opening: size, time and name never mix
// with those of the file that replaces it. Shared by the cache and the responses that send it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "common/net/owned_fd.h"

namespace ringserve::files {

// Nanoseconds since the epoch. Wraps for times beyond the year 2262: they are compared, not counted
// with.
int64_t in_ns(const timespec& time);

// What tells two states of a path apart. The change time is part of it because no one can set it.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  int64_t size_bytes = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;

  static Identity of(const struct stat& facts);
  friend bool operator==(const Identity&, const Identity&) = default;
};

// What the kernel knows of an open file without asking anybody: no disk, and no other machine where
// the file system is in the network. The members of `facts` that it fills in are those of Identity,
// st_mode and st_nlink. An errno, or 0.
int stat_without_disk(int fd, struct stat& facts);

// Closing a descriptor may take as long as reading a disk: it removes the file where that was its
// last name and user (measured: 0.7 s for 2 GiB on ext4), and waits for a server in the network.
// Such descriptors are left here, for their owner to close where that stalls nobody.
struct LeftToClose {
  std::vector<net::OwnedFd> fds;
};

// A descriptor that is left to close where closing it may take its time.
class FileFd {
 public:
  FileFd() = default;
  explicit FileFd(net::OwnedFd fd, LeftToClose* left = nullptr, bool always_waits = false)
      : fd_(std::move(fd)), left_(left), always_waits_(always_waits) {}
  FileFd(FileFd&&) = default;
  FileFd& operator=(FileFd&& other) noexcept {
    reset();
    fd_ = std::move(other.fd_);
    left_ = other.left_;
    always_waits_ = other.always_waits_;
    has_name_ = other.has_name_;
    return *this;
  }
  ~FileFd() { reset(); }

  int get() const { return fd_.get(); }
  bool valid() const { return fd_.valid(); }
  void always_waits() { always_waits_ = true; }
  // Its file is known to have a name: closing it removes nothing.
  void has_name() { has_name_ = true; }
  net::OwnedFd take() { return std::move(fd_); }
  void reset();

 private:
  net::OwnedFd fd_;
  LeftToClose* left_ = nullptr;  // null: it is closed at once
  bool always_waits_ = false;    // whether or not its file has a name left
  bool has_name_ = false;        // false: it has to be asked
};

// What is said about a file in front of its content. Made once, by SiteOptions::describe.
struct Description {
  std::string text;
  size_t repeated_bytes = 0;  // its beginning, said even where the content is not sent
  size_t part_bytes = 0;      // its beginning, said where a part of the content is sent
};

struct File {
  FileFd fd;
  uint64_t opening = 0;  // a number that no other opening by this worker has
  std::string name;      // below the root, for logs
  Identity identity;
  uint64_t size_bytes = 0;  // as it was when opened: what is sent, however the file grows
  int64_t mtime_s = 0;
  bool has_useful_mtime = true;  // false: a time that says nothing, as 1970 or the future
  bool has_other_names = false;  // hard links: changes through them are not announced here
  std::string etag;              // strong, with quotes; empty: none
  Description description;
  std::string body;  // the whole content where the memory cache holds it
  bool body_in_memory = false;
  int64_t looked_at_ms = INT64_MIN / 2;  // when fstat(2) last said that it is unchanged

  // Other forms of the same content, by index in SiteOptions::variant_suffixes; null where there is
  // none. Empty when there is none at all. Never changed after the file went into a cache.
  std::vector<std::shared_ptr<File>> variants;

  // The file itself and its variants, one after the other.
  template <typename Do>
  void for_each_form(Do&& act) {
    act(*this);
    for (const auto& variant : variants) {
      if (variant != nullptr) act(*variant);
    }
  }
};

using FileRef = std::shared_ptr<File>;

}  // namespace ringserve::files
