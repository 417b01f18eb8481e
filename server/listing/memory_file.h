// A file in memory (memfd_create(2)) that is written once and then never changes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/net/owned_fd.h"

namespace ringserve::listing {

class MemoryFile {
 public:
  // 0 or an errno value.
  int create(const char* name_for_proc);
  int append(std::string_view bytes);
  // No one can write to it or change its size after this: F_SEAL_*, fcntl(2). Once, at the end.
  int seal();

  uint64_t size_bytes() const { return size_bytes_; }
  // Strong, with quotes: of the content alone, so that it is the same after a restart and on
  // another host.
  std::string etag() const;
  net::OwnedFd take_fd() { return std::move(fd_); }

 private:
  void hash(std::string_view bytes);

  net::OwnedFd fd_;
  uint64_t size_bytes_ = 0;
  uint64_t hash_ = 0xCBF29CE484222325;  // FNV-1a's offset basis
};

}  // namespace ringserve::listing
