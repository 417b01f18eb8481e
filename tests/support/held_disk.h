// A disk that answers when the test says so: a FUSE file system in a thread of the test. Each call
// of the kernel (a look-up of a name, an open, a read, ...) can be held back, awaited, let go, or
// answered with an error: so a test knows that the server waits for the disk, without any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace support {

class HeldDisk {
 public:
  enum class Call { lookup, getattr, open, read, flush, readlink, readdir };

  // Mounted in a mount namespace of this process's own, which the server inherits. Null, with the
  // reason, where the machine does not allow it. To be called before the test starts any thread.
  static std::unique_ptr<HeldDisk> mount(std::string& why_not);
  ~HeldDisk();  // whoever uses a file of it must have ended
  HeldDisk(const HeldDisk&) = delete;
  HeldDisk& operator=(const HeldDisk&) = delete;

  const std::string& root() const;

  // With TempTree::expected(path, 0, size). Directories on the way are made as needed.
  void fill(const std::string& path, std::uint64_t size);
  void link(const std::string& path, const std::string& target);
  // The kernel has to ask for them each time it needs them.
  void forget_facts(const std::string& path);
  // Reads that reach so far are answered with this errno.
  void fail_reads_from(const std::string& path, std::uint64_t offset, int error);
  void fail(Call call, const std::string& path, int error);

  // From now on such calls for this path ("" is the root) wait.
  void hold(Call call, const std::string& path);
  // Those that wait are answered, and the next ones at once.
  void release(Call call, const std::string& path);
  void release_all();
  // As many wait at the same time; false when it did not come to that before the deadline.
  bool wait_until_held(Call call, const std::string& path, std::size_t count = 1);
  std::size_t held(Call call) const;                            // that wait now, for any path
  std::size_t most_held(Call call) const;                       // at any time so far
  std::size_t count(Call call, const std::string& path) const;  // that came so far

  struct State;

 private:
  explicit HeldDisk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace support
