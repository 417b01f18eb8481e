// A temporary directory tree. It relies on TMPDIR (or /tmp) being writable, throws when the
// file system refuses what a test needs, and must never leave anything behind.
#include "tests/support/temp_tree.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "tests/support/content.h"
#include "tests/support/unique_fd.h"

namespace support {
namespace {

void require(bool ok, const std::string& what) {
  if (!ok) throw std::system_error(errno, std::generic_category(), what);
}

void write_all(int fd, std::string_view bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    require(n > 0, "write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

}  // namespace

TempTree::TempTree() {
  const char* parent = std::getenv("TMPDIR");
  base_ = std::string(parent != nullptr && *parent != '\0' ? parent : "/tmp") +
          "/ringserve-test-XXXXXX";
  require(::mkdtemp(base_.data()) != nullptr, "mkdtemp " + base_);
  root_ = base_ + "/root";
  require(::mkdir(root_.c_str(), 0755) == 0, "mkdir " + root_);
}

TempTree::~TempTree() {
  std::error_code ignored;
  std::filesystem::remove_all(base_, ignored);
}

std::string TempTree::path(std::string_view name) const { return root_ + "/" + std::string(name); }

std::string TempTree::outside(std::string_view name, std::string_view bytes) {
  const std::string path = beside(name);
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  require(fd.valid(), "open " + path);
  write_all(fd.get(), bytes, 0, path);
  return path;
}

void TempTree::write(std::string_view name, std::string_view bytes) {
  const std::string full = path(name);
  std::filesystem::create_directories(std::filesystem::path(full).parent_path());
  const UniqueFd fd(::open(full.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  require(fd.valid(), "open " + full);
  write_all(fd.get(), bytes, 0, full);
}

void TempTree::fill(std::string_view name, std::size_t size) {
  write(name, expected(name, 0, size));
}

void TempTree::sparse(std::string_view name, std::uint64_t size) {
  write(name, "");
  cut(name, size);
}

void TempTree::fill_window(std::string_view name, std::uint64_t offset, std::size_t size) {
  const std::string full = path(name);
  const UniqueFd fd(::open(full.c_str(), O_WRONLY | O_CLOEXEC));
  require(fd.valid(), "open " + full);
  write_all(fd.get(), expected(name, offset, size), offset, full);
}

void TempTree::append(std::string_view name, std::string_view bytes) {
  const std::string full = path(name);
  const UniqueFd fd(::open(full.c_str(), O_WRONLY | O_CLOEXEC));
  require(fd.valid(), "open " + full);
  const off_t end = ::lseek(fd.get(), 0, SEEK_END);
  require(end >= 0, "lseek " + full);
  write_all(fd.get(), bytes, static_cast<std::uint64_t>(end), full);
}

void TempTree::cut(std::string_view name, std::uint64_t size) {
  require(::truncate(path(name).c_str(), static_cast<off_t>(size)) == 0, "truncate " + path(name));
}

void TempTree::replace(std::string_view name, std::string_view bytes) {
  // Written beside the root: the server must never see a half-written name.
  const std::string fresh = outside("replacement", bytes);
  require(::rename(fresh.c_str(), path(name).c_str()) == 0, "rename to " + path(name));
}

void TempTree::remove(std::string_view name) {
  require(std::filesystem::remove_all(path(name)) > 0, "remove " + path(name));
}

void TempTree::directory(std::string_view name) { std::filesystem::create_directories(path(name)); }

void TempTree::link(std::string_view name, std::string_view target) {
  const std::string full = path(name);
  std::filesystem::create_directories(std::filesystem::path(full).parent_path());
  require(::symlink(std::string(target).c_str(), full.c_str()) == 0, "symlink " + full);
}

void TempTree::fifo(std::string_view name) {
  require(::mkfifo(path(name).c_str(), 0644) == 0, "mkfifo " + path(name));
}

void TempTree::socket(std::string_view name) {
  const std::string full = path(name);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  errno = ENAMETOOLONG;
  require(full.size() < sizeof address.sun_path, "socket " + full);
  std::memcpy(address.sun_path, full.c_str(), full.size() + 1);
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(fd.valid(), "socket");
  require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "bind " + full);
}

bool TempTree::character_device(std::string_view name, unsigned major, unsigned minor) {
  const int made = ::mknod(path(name).c_str(), S_IFCHR | 0644, makedev(major, minor));
  if (made != 0 && errno == EPERM) return false;
  require(made == 0, "mknod " + path(name));
  return true;
}

void TempTree::mode(std::string_view name, mode_t mode) {
  require(::chmod(path(name).c_str(), mode) == 0, "chmod " + path(name));
}

void TempTree::modified_at(std::string_view name, std::int64_t unix_time_s) {
  const timespec times[2] = {{unix_time_s, 0}, {unix_time_s, 0}};
  require(::utimensat(AT_FDCWD, path(name).c_str(), times, 0) == 0, "utimensat " + path(name));
}

std::string TempTree::expected(std::string_view name, std::uint64_t offset, std::size_t size) {
  return content(seed_of(name), offset, size);
}

}  // namespace support
