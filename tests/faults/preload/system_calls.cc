// The system calls that the server makes through the C library. Each wrapper asks whether it is to
// fail, and otherwise calls the next library's function, with fewer bytes where a short count is
// wanted: what the kernel then says is true.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <string_view>

#include "tests/faults/preload/hits.h"

using faults::Call;
using faults::fails;

namespace {

constexpr long kSysCachestat = 451;  // Linux 6.5

// The function of this name in the library behind this one.
template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#define NEXT(name) next<decltype(::name)>(#name)

// libstdc++ waits by syscall(2) for what a static of a function would need, so this one is found
// when the library is loaded.
decltype(::syscall)* next_syscall = nullptr;
__attribute__((constructor)) void find_syscall() { next_syscall = NEXT(syscall); }

bool is_regular(int fd) {
  struct stat facts {};
  return NEXT(fstat)(fd, &facts) == 0 && S_ISREG(facts.st_mode);
}

// "anon_inode:inotify", "anon_inode:[eventfd]".
std::string_view kind_of(int fd, std::array<char, 64>& text) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const ssize_t length = ::readlink(path, text.data(), text.size());
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
}

bool read_fails(int fd) {
  if (faults::plan() == nullptr) return false;
  std::array<char, 64> text;
  const std::string_view kind = kind_of(fd, text);
  if (kind.find("inotify") != kind.npos) return fails(Call::read_inotify);
  if (kind.find("eventfd") != kind.npos) return fails(Call::read_eventfd);
  return kind.find("signalfd") != kind.npos && fails(Call::read_signalfd);
}

}  // namespace

extern "C" {

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  return fails(Call::accept4) ? -1 : NEXT(accept4)(fd, address, size, flags);
}

int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept {
  return fails(Call::getpeername) ? -1 : NEXT(getpeername)(fd, address, size);
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  return fails(Call::setsockopt) ? -1 : NEXT(setsockopt)(fd, level, name, value, size);
}

int shutdown(int fd, int how) noexcept {
  return fails(Call::shutdown) ? -1 : NEXT(shutdown)(fd, how);
}

ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < message->msg_iovlen; ++i) bytes += message->msg_iov[i].iov_len;
  const std::size_t all = bytes;
  if (fails(Call::sendmsg, bytes)) return -1;
  if (bytes == all) return NEXT(sendmsg)(fd, message, flags);
  const iovec& first = message->msg_iov[0];
  return ::send(fd, first.iov_base, std::min(first.iov_len, bytes), flags);
}

ssize_t sendfile(int to, int from, off_t* offset, std::size_t bytes) noexcept {
  return fails(Call::sendfile, bytes) ? -1 : NEXT(sendfile)(to, from, offset, bytes);
}

ssize_t splice(int from, off64_t* from_at, int to, off64_t* to_at, std::size_t bytes,
               unsigned flags) {
  const Call call = is_regular(from) ? Call::splice_from_file : Call::splice_to_socket;
  return fails(call, bytes) ? -1 : NEXT(splice)(from, from_at, to, to_at, bytes, flags);
}

int pipe2(int* ends, int flags) noexcept {
  return fails(Call::pipe2) ? -1 : NEXT(pipe2)(ends, flags);
}

ssize_t pread(int fd, void* buffer, std::size_t bytes, off_t offset) {
  return fails(Call::pread, bytes) ? -1 : NEXT(pread)(fd, buffer, bytes, offset);
}

ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) {
  iovec first = parts[0];
  if (fails(Call::preadv2, first.iov_len)) return -1;
  return NEXT(preadv2)(fd, count == 1 ? &first : parts, count, offset, flags);
}

ssize_t pwrite(int fd, const void* data, std::size_t bytes, off_t offset) {
  return fails(Call::pwrite, bytes) ? -1 : NEXT(pwrite)(fd, data, bytes, offset);
}

ssize_t read(int fd, void* buffer, std::size_t bytes) {
  return read_fails(fd) ? -1 : NEXT(read)(fd, buffer, bytes);
}

ssize_t write(int fd, const void* data, std::size_t bytes) {
  if (is_regular(fd) && fails(Call::write_file, bytes)) return -1;
  return NEXT(write)(fd, data, bytes);
}

int fstat(int fd, struct stat* facts) noexcept {
  return fails(Call::fstat) ? -1 : NEXT(fstat)(fd, facts);
}

int statx(int fd, const char* path, int flags, unsigned mask, struct statx* facts) noexcept {
  const bool of_descriptor = (flags & AT_EMPTY_PATH) != 0 && path[0] == '\0';
  if (fails(of_descriptor ? Call::fstat : Call::statx)) return -1;
  return NEXT(statx)(fd, path, flags, mask, facts);
}

ssize_t getdents64(int fd, void* buffer, std::size_t bytes) noexcept {
  return fails(Call::getdents64) ? -1 : NEXT(getdents64)(fd, buffer, bytes);
}

int memfd_create(const char* name, unsigned flags) noexcept {
  return fails(Call::memfd_create) ? -1 : NEXT(memfd_create)(name, flags);
}

void* mmap(void* address, std::size_t bytes, int protection, int flags, int fd,
           off_t offset) noexcept {
  if (fails(Call::mmap)) return MAP_FAILED;
  return NEXT(mmap)(address, bytes, protection, flags, fd, offset);
}

int eventfd(unsigned count, int flags) noexcept {
  return fails(Call::eventfd) ? -1 : NEXT(eventfd)(count, flags);
}

int inotify_init1(int flags) noexcept {
  return fails(Call::inotify_init1) ? -1 : NEXT(inotify_init1)(flags);
}

int inotify_add_watch(int fd, const char* path, std::uint32_t mask) noexcept {
  return fails(Call::inotify_add_watch) ? -1 : NEXT(inotify_add_watch)(fd, path, mask);
}

int openat(int directory, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const auto mode = va_arg(more, mode_t);
  va_end(more);
  return fails(Call::openat) ? -1 : NEXT(openat)(directory, path, flags, mode);
}

int fcntl(int fd, int command, ...) {
  va_list more;
  va_start(more, command);
  void* argument = va_arg(more, void*);
  va_end(more);
  if (fails(Call::fcntl)) return -1;
  const int result = NEXT(fcntl)(fd, command, argument);
  faults::Plan* plan = faults::plan();
  if (result < 0 && command == F_SETPIPE_SZ && plan != nullptr) plan->small_pipes.fetch_add(1);
  return result;
}

int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list more;
  va_start(more, request);
  void* argument = va_arg(more, void*);
  va_end(more);
  return fails(Call::ioctl) ? -1 : NEXT(ioctl)(fd, request, argument);
}

// send(2) without a cancellation point, openat2(2), cachestat(2): what the C library has no
// function for.
long syscall(long number, ...) noexcept {
  va_list more;
  va_start(more, number);
  std::array<long, 6> a;
  for (long& argument : a) argument = va_arg(more, long);
  va_end(more);
  if (number == SYS_sendto) {
    auto bytes = static_cast<std::size_t>(a[2]);
    if (fails(Call::sendto, bytes)) return -1;
    a[2] = static_cast<long>(bytes);
  } else if (number == SYS_openat2) {
    const auto* how = reinterpret_cast<const open_how*>(a[2]);
    if ((how->resolve & RESOLVE_CACHED) != 0 && fails(Call::openat2)) return -1;
  } else if (number == kSysCachestat && fails(Call::cachestat)) {
    return -1;
  }
  if (next_syscall == nullptr) find_syscall();
  return next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // extern "C"
