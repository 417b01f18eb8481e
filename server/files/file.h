// An open file and the facts that belong to exactly this opening: size, time and name never mix
// with those of the file that replaces it. Shared by the cache and the responses that send it.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>

#include "common/net/owned_fd.h"

namespace ringserve::files {

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

struct File {
  net::OwnedFd fd;
  uint64_t opening = 0;  // a number that no other opening by this worker has
  std::string name;      // below the root, for logs
  Identity identity;
  uint64_t size_bytes = 0;  // as it was when opened: what is sent, however the file grows
  int64_t mtime_s = 0;
  bool has_other_names = false;  // hard links: changes through them are not announced here
  std::string etag;              // strong, with quotes
  std::string description;       // what Site::Options::describe made of it
  std::string body;              // the whole content where the memory cache holds it
  bool body_in_memory = false;
  int64_t looked_at_ms = INT64_MIN / 2;  // when fstat(2) last said that it is unchanged
};

using FileRef = std::shared_ptr<File>;

}  // namespace ringserve::files
