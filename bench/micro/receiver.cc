// Blocking calls in a loop until the stream ends. The count is published after each of them: the
// sender waits for it without a system call.
#include "bench/micro/receiver.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "bench/micro/machine.h"
#include "common/check.h"

namespace micro {
namespace {

constexpr size_t kDiscardBytesMax = 1 << 20;  // a call; the pipe holds as much where it may

}  // namespace

std::string_view name_of(Receiving receiving) {
  return receiving == Receiving::discard ? "discard" : "copy";
}

Receiver::Receiver(const Link& link, Receiving receiving)
    : link_(link), receiving_(receiving), buffer_(new char[kBufferBytes]) {
  if (!link.is_tcp && receiving == Receiving::discard) {
    int ends[2];
    CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    pipe_out_.reset(ends[0]);
    pipe_in_.reset(ends[1]);
    // EPERM above fs.pipe-max-size: the pipe keeps the size it has.
    (void)::fcntl(pipe_in_.get(), F_SETPIPE_SZ, static_cast<int>(kDiscardBytesMax));
    null_.reset(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    CHECK(null_.valid());
  }
  thread_ = std::thread([this] { run(); });
}

Receiver::~Receiver() {
  if (!thread_.joinable()) return;
  (void)::shutdown(link_.receiving.get(), SHUT_RDWR);
  thread_.join();
}

// Bytes taken, 0 at the end of the stream, -1 with errno.
ssize_t Receiver::take() {
  const int socket = link_.receiving.get();
  if (receiving_ == Receiving::copy) return ::recv(socket, buffer_.get(), kBufferBytes, 0);
  if (link_.is_tcp) return ::recv(socket, nullptr, kDiscardBytesMax, MSG_TRUNC);
  const ssize_t taken =
      ::splice(socket, nullptr, pipe_in_.get(), nullptr, kDiscardBytesMax, SPLICE_F_MOVE);
  for (ssize_t left = taken; left > 0;) {
    const ssize_t gone = ::splice(pipe_out_.get(), nullptr, null_.get(), nullptr,
                                  static_cast<size_t>(left), SPLICE_F_MOVE);
    if (gone < 0 && errno != EINTR) return -1;
    left -= gone < 0 ? 0 : gone;
  }
  return taken;
}

void Receiver::run() {
  pin_this_thread(cpus().far);
  for (;;) {
    const ssize_t taken = take();
    if (taken == 0) return;
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) {
      error_.store(errno);
      return;
    }
    received_bytes_.fetch_add(static_cast<uint64_t>(taken), std::memory_order_release);
  }
}

bool Receiver::wait_for(uint64_t bytes) {
  return spin_until([&] { return received_bytes() >= bytes || error_.load() != 0; }) &&
         received_bytes() >= bytes;
}

int64_t Receiver::cpu_ns() { return cpu_of_ns(thread_); }

net::Result<uint64_t> Receiver::finish() {
  if (::shutdown(link_.sending.get(), SHUT_WR) < 0) return net::fail("shutdown", errno);
  thread_.join();
  if (error_.load() != 0) return net::fail("receive", error_.load());
  return received_bytes();
}

}  // namespace micro
