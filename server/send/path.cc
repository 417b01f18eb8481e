// The table of paths, and the few calls they have in common.
#include "server/send/path.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "server/send/paths.h"

namespace ringserve::send {
namespace {

constexpr std::array<PathInfo, 8> kPaths = {{
    {"auto", PathName::automatic, true, false},
    {"read-write", PathName::read_write, false, false},
    {"writev", PathName::writev, false, false},
    {"sendfile", PathName::sendfile, false, false},
    {"splice", PathName::splice, false, false},
    {"uring-send", PathName::uring_send, true, true},
    {"uring-splice", PathName::uring_splice, false, false},
    {"send-zc", PathName::send_zc, false, true},
}};

}  // namespace

std::span<const PathInfo> all_paths() { return kPaths; }

const PathInfo& info_of(PathName path) {
  for (const PathInfo& info : kPaths) {
    if (info.path == path) return info;
  }
  CHECK(false);
}

std::unique_ptr<Path> make_path(PathName name, PathContext& context) {
  switch (name) {
    case PathName::automatic: return make_auto(context);
    case PathName::read_write: return make_read_write(context);
    case PathName::writev: return make_writev(context);
    case PathName::sendfile: return make_sendfile(context);
    case PathName::splice: return make_splice(context);
    case PathName::uring_send: return make_uring_send(context);
    case PathName::uring_splice: return make_uring_splice(context);
    case PathName::send_zc: return make_send_zc(context);
  }
  CHECK(false);
}

Outcome Path::completed(Transfer&, unsigned, const io_uring_cqe&) {
  CHECK(false);  // this path submits nothing to the ring
}

namespace {

// send(2) without the C library's cancellation point, which costs a thread two atomic operations a
// call: 1 % of a small response. No thread is ever cancelled here.
ssize_t send_now(int socket, const void* data, size_t bytes, int flags) {
  return ::syscall(SYS_sendto, socket, data, bytes, flags, nullptr, 0);
}

// A full send buffer is not a failure; anything else ends the connection.
Outcome outcome_of_errno(int error) {
  return {error == EAGAIN ? Progress::blocked : Progress::failed, error};
}

}  // namespace

Outcome send_memory(Transfer& transfer, bool more_follows) {
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0);
  while (transfer.has_memory()) {
    ssize_t sent = 0;
    if (transfer.slice_count() == 1) {
      const iovec& only = transfer.slices()[0];
      sent = send_now(transfer.socket, only.iov_base, only.iov_len, flags);
    } else {
      msghdr message{};
      message.msg_iov = transfer.slices();
      message.msg_iovlen = transfer.slice_count();
      sent = ::sendmsg(transfer.socket, &message, flags);
    }
    if (sent < 0) {
      if (errno == EINTR) continue;
      return outcome_of_errno(errno);
    }
    transfer.memory_sent(static_cast<size_t>(sent));
  }
  return {};
}

Outcome send_buffer(int socket, const char* data, size_t bytes, bool more_follows, size_t& sent) {
  const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0);
  sent = 0;
  while (sent < bytes) {
    const ssize_t result = send_now(socket, data + sent, bytes - sent, flags);
    if (result < 0) {
      if (errno == EINTR) continue;
      return outcome_of_errno(errno);
    }
    sent += static_cast<size_t>(result);
  }
  return {};
}

Outcome read_file(const Transfer& transfer, char* buffer, uint64_t bytes_max, size_t& got) {
  const FileRange& file = transfer.file();
  const size_t wanted = std::min<uint64_t>(bytes_max, kCopyBufferBytes);
  const ssize_t result = ::pread(file.fd, buffer, wanted, static_cast<off_t>(file.offset));
  got = result > 0 ? static_cast<size_t>(result) : 0;
  if (result < 0) return errno == EINTR ? Outcome{} : Outcome{Progress::failed, errno};
  return {result == 0 ? Progress::truncated : Progress::done, 0};
}

void CorkScope::begin(const PathContext& context, Transfer& transfer) {
  if (transfer.state.corked || !transfer.is_tcp || !transfer.has_memory()) return;
  const bool is_long = transfer.file().length > kTurnBytesMax;
  const bool wanted =
      context.cork == Cork::tcp_cork || (context.cork == Cork::automatic && is_long);
  if (!wanted || !transfer.has_file()) return;
  const int on = 1;
  // Without the cork the response is the same in more segments, so a failure is not one.
  transfer.state.corked = ::setsockopt(transfer.socket, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0;
}

void CorkScope::end(Transfer& transfer) {
  if (!transfer.state.corked) return;
  const int off = 0;
  (void)::setsockopt(transfer.socket, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
  transfer.state.corked = false;
}

}  // namespace ringserve::send
