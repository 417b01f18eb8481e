// The other end of a link: a thread of its own, on a CPU of its own where there is one, that takes
// what arrives and counts it. It looks at no byte.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>

#include "bench/micro/links.h"

namespace micro {

// discard: without a copy to user memory, so that the sender is what limits. TCP: MSG_TRUNC
// (tcp(7)); Unix sockets know no such flag and are spliced to /dev/null. copy: what programs do.
enum class Receiving { discard, copy };
std::string_view name_of(Receiving receiving);

class Receiver {
 public:
  static constexpr size_t kBufferBytes = 64 * 1024;

  // The socket is the link's and outlives this object; nobody else reads from it.
  Receiver(const Link& link, Receiving receiving);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  uint64_t received_bytes() const { return received_bytes_.load(std::memory_order_acquire); }
  // Spins until so many bytes have arrived since the start; false when they do not come.
  bool wait_for(uint64_t bytes);
  int64_t cpu_ns();  // of its thread

  // Ends the stream, reads to its end and gives the number of all bytes that came. The sending
  // thread calls it, once.
  net::Result<uint64_t> finish();

 private:
  void run();
  ssize_t take();

  const Link& link_;
  const Receiving receiving_;
  net::OwnedFd pipe_in_, pipe_out_, null_;  // for discarding from a Unix socket
  std::unique_ptr<char[]> buffer_;
  std::atomic<uint64_t> received_bytes_ = 0;
  std::atomic<int> error_ = 0;  // errno; written before the thread ends
  std::thread thread_;
};

}  // namespace micro
