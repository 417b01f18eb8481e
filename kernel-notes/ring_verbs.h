// The verbs of experiments with io_uring: entries by name, completions one at a time, as they are
// looked at. On the server's own ring (common/net/ring.h). Throws where it cannot do its work.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "common/net/ring.h"
#include "common/net/verbs.h"

#ifndef IORING_SEND_ZC_REPORT_USAGE  // Linux 6.2; liburing 2.3 does not name them yet
#define IORING_SEND_ZC_REPORT_USAGE (1U << 3)
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif

namespace notes {

struct Completion {
  uint64_t name = 0;  // user_data
  int result = 0;
  unsigned flags = 0;

  bool has_more() const { return (flags & IORING_CQE_F_MORE) != 0; }
  bool is_notification() const { return (flags & IORING_CQE_F_NOTIF) != 0; }
};

class NamedRing {
 public:
  using OwnedFd = net::OwnedFd;

  explicit NamedRing(std::unique_ptr<net::Ring> ring) : ring_(std::move(ring)) {}
  explicit NamedRing(net::Ring::Sizes sizes = {}) {
    auto opened = net::Ring::open(sizes);
    if (!opened) throw std::runtime_error(opened.error().message());
    ring_ = std::move(*opened);
  }

  // Queues what `prepare` makes of an empty entry; it is submitted with the next look.
  template <typename Prepare>
  void queue(uint64_t name, Prepare prepare) {
    io_uring_sqe* entry = ring_->next_entry();
    prepare(entry);
    entry->user_data = name;
  }

  // These are with the kernel when they return.
  void accept_many(uint64_t name, const OwnedFd& listener) {
    queue(name, [&](io_uring_sqe* entry) {
      io_uring_prep_multishot_accept(entry, listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    });
    submit();
  }
  void accept_once(uint64_t name, const OwnedFd& listener) {
    queue(name, [&](io_uring_sqe* entry) {
      io_uring_prep_accept(entry, listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
    });
    submit();
  }
  void receive(uint64_t name, const OwnedFd& socket, int flags = 0) {
    queue(name, [&](io_uring_sqe* entry) {
      io_uring_prep_recv(entry, socket.get(), memory_.get(), kMemoryBytes, flags);
    });
    submit();
  }
  // A multishot, into provided buffers.
  void receive_many(uint64_t name, const OwnedFd& socket, const net::BufferRing& buffers) {
    queue(name, [&](io_uring_sqe* entry) {
      io_uring_prep_recv_multishot(entry, socket.get(), nullptr, 0, 0);
      entry->flags |= IOSQE_BUFFER_SELECT;
      entry->buf_group = buffers.group();
    });
    submit();
  }
  // The bytes must live until it has completed.
  void send(uint64_t name, const OwnedFd& socket, std::string_view bytes, int flags = 0) {
    queue(name, [&](io_uring_sqe* entry) {
      io_uring_prep_send(entry, socket.get(), bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
    });
    submit();
  }
  void cancel(uint64_t name, uint64_t target) {
    queue(name, [&](io_uring_sqe* entry) { io_uring_prep_cancel64(entry, target, 0); });
    submit();
  }

  // The next completion, or none if it does not come within that time.
  std::optional<Completion> look(std::chrono::milliseconds within) {
    const net::verbs::Stopwatch watch;
    collect();
    while (seen_.empty()) {
      const auto left = within - std::chrono::duration<double>(watch.seconds());
      if (left.count() <= 0) return std::nullopt;
      ring_->submit_and_wait(std::chrono::duration_cast<std::chrono::nanoseconds>(left));
      collect();
    }
    const Completion first = seen_.front();
    seen_.pop_front();
    return first;
  }

  Completion next() {
    const auto completion = look(net::verbs::kPatience);
    if (!completion) throw std::runtime_error("no completion came");
    return *completion;
  }

  void submit() { ring_->submit_and_poll(); }
  net::Ring& ring() { return *ring_; }
  io_uring* raw() { return ring_->raw(); }

 private:
  void collect() {
    submit();
    ring_->for_each_completion([this](const io_uring_cqe& cqe) {
      seen_.push_back({cqe.user_data, cqe.res, cqe.flags});
    });
  }

  static constexpr size_t kMemoryBytes = 256;

  std::unique_ptr<char[]> memory_{
      new char[kMemoryBytes]};  // outlives the ring, which writes into it
  std::unique_ptr<net::Ring> ring_;
  std::deque<Completion> seen_;
};

// "EAGAIN", or the number.
inline std::string result_text(int64_t result) {
  return result < 0 ? net::errno_name(static_cast<int>(-result)) : std::to_string(result);
}

}  // namespace notes
