// Drives one send::Path as a worker does: turns, waiting for a writable socket, completions of the
// ring. One transfer at a time, on the thread that made it.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/micro/links.h"
#include "common/net/ring.h"
#include "server/send/path.h"
#include "server/send/transfer.h"

namespace micro {

// What is sent: a head, and the first `body_bytes` of a file that is in the page cache.
struct Response {
  std::string head;
  std::shared_ptr<const net::OwnedFd> file;
  std::shared_ptr<const std::string>
      body;  // the same bytes, where a path would have them in memory
  uint64_t body_bytes = 0;

  uint64_t bytes() const { return head.size() + body_bytes; }
};

// Since the sender was made.
struct SendCounts {
  uint64_t ring_entries = 0;     // submission queue entries
  uint64_t zero_copy_bytes = 0;  // handed over by IORING_OP_SEND_ZC
  uint64_t reported_copied_bytes =
      0;  // of them, those that IORING_SEND_ZC_REPORT_USAGE says were copied
};

class Sender {
 public:
  static net::Result<std::unique_ptr<Sender>> create(ringserve::send::PathName path,
                                                     ringserve::send::Cork cork, const Link& link);
  ~Sender();

  // Returns when the path has said `done`: every byte is in the socket's send buffer. After an
  // error the sender can only be destroyed.
  net::Status send(const Response& response);
  SendCounts counts() const;

 private:
  explicit Sender(ringserve::send::PathName path) : info_(ringserve::send::info_of(path)) {}
  net::Status set_up(ringserve::send::Cork cork, const Link& link);
  void build(const Response& response);
  net::Status drive();
  net::Status await_completion();
  unsigned collect();
  void on_path_completed(const io_uring_cqe& cqe);
  void note_zero_copy(const io_uring_cqe& cqe);
  void await_writable();

  // Destroyed from the bottom up: everything that names the ring goes before it.
  const ringserve::send::PathInfo& info_;
  std::unique_ptr<net::Ring> ring_;
  std::unique_ptr<ringserve::send::BufferPool> buffers_;
  std::unique_ptr<ringserve::send::PipePool> pipes_;
  std::vector<uint64_t> runnable_;
  std::unique_ptr<ringserve::send::PathContext> context_;
  std::unique_ptr<ringserve::send::Path> path_;
  ringserve::send::Transfer transfer_;
  ringserve::send::Outcome outcome_;
  bool awaiting_writable_ = false;
  unsigned first_entry_ = 0;  // of the ring's submission queue, when the sender was made
  uint64_t zero_copy_bytes_ = 0;
  uint64_t reported_copied_bytes_ = 0;
  std::unordered_map<uint64_t, uint64_t> unnotified_bytes_;  // by user_data
};

}  // namespace micro
