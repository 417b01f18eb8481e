// A directory to serve, made for one test and gone after it. `root()` is what the server gets;
// `outside()` lies beside it, for the links that must not leave.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace support {

class TempTree {
 public:
  TempTree();
  ~TempTree();
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;

  const std::string& root() const { return root_; }
  // A place in the tree, as an absolute path.
  std::string path(std::string_view name) const;
  // A file beside the root, out of the server's reach.
  std::string outside(std::string_view name, std::string_view bytes);
  // A free name beside the root, for a socket for instance.
  std::string beside(std::string_view name) const { return base_ + "/" + std::string(name); }

  // Directories on the way to a name are made as needed.
  void write(std::string_view name, std::string_view bytes);
  void fill(std::string_view name, std::size_t size);  // with expected(name, 0, size)
  void sparse(std::string_view name, std::uint64_t size);
  // Overwrites [offset, offset + size) with expected(name, offset, size).
  void fill_window(std::string_view name, std::uint64_t offset, std::size_t size);
  void append(std::string_view name, std::string_view bytes);
  void cut(std::string_view name, std::uint64_t size);
  void replace(std::string_view name, std::string_view bytes);  // by rename, as one should
  void remove(std::string_view name);

  void directory(std::string_view name);
  void link(std::string_view name, std::string_view target);
  void fifo(std::string_view name);
  void socket(std::string_view name);
  bool character_device(std::string_view name, unsigned major, unsigned minor);  // false: EPERM
  void mode(std::string_view name, mode_t mode);
  void modified_at(std::string_view name, std::int64_t unix_time_s);

  static std::string expected(std::string_view name, std::uint64_t offset, std::size_t size);

 private:
  std::string base_;
  std::string root_;
};

}  // namespace support
