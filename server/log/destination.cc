// open(2), write(2), ftruncate(2). Called by one thread, which may wait for a disk, but for nothing
// else.
#include "server/log/destination.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace ringserve::log {
namespace {

constexpr mode_t kMode = 0640;  // requests are nobody's business but the administrator's

mode_t type_of(int fd) {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 ? facts.st_mode & S_IFMT : 0;
}

bool is_fifo(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 && S_ISFIFO(facts.st_mode);
}

std::string advice_for(int error) {
  switch (error) {
    case ENOENT: return "make its directory first";
    case EACCES:
    case EPERM:
    case EROFS: return "the user that ringserve runs as must be allowed to write there";
    case ENOSPC:
    case EDQUOT: return "free some space, or keep fewer old logs";
    case EFBIG: return "rotate it, or raise the limit of file sizes (ulimit -f)";
    case EPIPE: return "nobody reads it any more";
    default: return {};
  }
}

}  // namespace

// A pipe or terminal of others' is opened anew, because O_NONBLOCK would be theirs too. Where that
// cannot be done (a socket), a write may have to wait; a file needs none of it, and keeps the place
// where others write on.
net::OwnedFd Destination::open_stdout() {
  if (type_of(STDOUT_FILENO) != S_IFREG) {
    net::OwnedFd own(::open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (own.valid()) return own;
  }
  return net::OwnedFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
}

net::Result<Destination> Destination::open(const std::string& path) {
  // Opened for reading too, a FIFO needs no reader to be opened, and readers may come and go.
  const int access = is_fifo(path) ? O_RDWR : O_WRONLY | O_APPEND | O_CREAT;
  net::OwnedFd fd =
      path == "-"
          ? open_stdout()
          : net::OwnedFd(::open(path.c_str(), access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, kMode));
  if (!fd.valid()) {
    const int error = errno;
    return net::fail("open the access log " + path, error, advice_for(error));
  }
  return Destination(path, std::move(fd));
}

Destination::Destination(std::string path, net::OwnedFd fd)
    : path_(std::move(path)), fd_(std::move(fd)), is_file_(type_of(fd_.get()) == S_IFREG) {
  struct stat facts {};
  if (is_file_ && ::fstat(fd_.get(), &facts) == 0) end_ = static_cast<uint64_t>(facts.st_size);
}

// How much of the lines goes into one write.
std::string_view Destination::piece_of(std::string_view lines) const {
  if (is_file_) return lines.substr(0, kPieceBytes - end_ % kPieceBytes);
  if (lines.size() <= PIPE_BUF) return lines;
  const size_t last_end = lines.substr(0, PIPE_BUF).rfind('\n');
  return lines.substr(0, last_end == std::string_view::npos ? PIPE_BUF : last_end + 1);
}

net::Result<size_t> Destination::write(std::string_view lines) {
  const std::string_view piece = piece_of(lines);
  while (true) {
    const ssize_t written = ::write(fd_.get(), piece.data(), piece.size());
    if (written >= 0) {
      end_ += static_cast<uint64_t>(written);
      return static_cast<size_t>(written);
    }
    const int error = errno;
    if (error == EAGAIN) return 0;
    if (error != EINTR) return net::fail("write the access log " + path_, error, advice_for(error));
  }
}

bool Destination::take_back(size_t bytes) {
  if (!is_file_) return false;
  // Where the last write ended: with O_APPEND too, and so it shows whether others have appended.
  const off_t end = ::lseek(fd_.get(), 0, SEEK_CUR);
  struct stat facts {};
  if (end < 0 || ::fstat(fd_.get(), &facts) < 0 || facts.st_size != end) return false;
  const off_t kept = end - static_cast<off_t>(bytes);
  end_ = static_cast<uint64_t>(kept);
  return kept >= 0 && ::ftruncate(fd_.get(), kept) == 0 &&
         ::lseek(fd_.get(), kept, SEEK_SET) == kept;
}

}  // namespace ringserve::log
