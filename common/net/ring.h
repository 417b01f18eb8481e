// One io_uring for one thread: set-up with the best features this kernel grants, submission that
// never loses an entry to a full queue, waiting, and a ring of provided receive buffers.
// Every member is called by the thread that opened the ring (SINGLE_ISSUER, io_uring_setup(2)).
#pragma once

#include <liburing.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/net/result.h"

namespace net {

class Ring {
 public:
  struct Sizes {
    unsigned submissions = 256;   // entries; rounded up to a power of two by the kernel
    unsigned completions = 4096;  // entries; beyond them the kernel keeps a list (NODROP)
  };

  // Tries SINGLE_ISSUER + DEFER_TASKRUN, then COOP_TASKRUN, then no flag at all.
  // Where `operations` (IORING_OP_*) are given, the ring refuses all others with EACCES, for good.
  static Result<std::unique_ptr<Ring>> open(Sizes sizes, std::span<const uint8_t> operations = {});
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // How many threads the kernel may use for operations of this ring's thread that may block: on
  // regular files (they are done with after a time), and on others. 0: as it is.
  Status limit_workers(unsigned on_files, unsigned on_others);

  // A cleared entry to fill in; submits what is queued when the queue is full. Valid until the
  // next call. A chain of linked entries must be announced by reserve(), else it could be split.
  io_uring_sqe* next_entry();
  void reserve(unsigned entries);

  // Asks for the operation with user_data `target` to end; its completion says -ECANCELED, unless
  // it was already done. A completion with user_data `own` comes only if there is nothing to
  // cancel.
  void cancel(uint64_t target, uint64_t own);

  // Submits, then waits until a completion is there or `timeout` has passed (negative: no limit).
  void submit_and_wait(std::chrono::nanoseconds timeout);
  // Submits and collects what is ready without waiting; no system call when there is nothing to do.
  void submit_and_poll();

  // Whether completions are known to wait; never a system call. True where the kernel does not tell
  // (IORING_SETUP_TASKRUN_FLAG).
  bool has_completions() const;

  // Calls handle(const io_uring_cqe&) for every completion at hand. The handler may queue entries.
  template <typename Handler>
  unsigned for_each_completion(Handler&& handle) {
    io_uring_cqe* cqe = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      handle(*cqe);
      ++count;
    }
    io_uring_cq_advance(&ring_, count);
    return count;
  }

  // How often the completion queue was found full, with more kept back by the kernel.
  uint64_t overflows() const { return overflows_; }

  std::string features() const;  // "single-issuer, defer-taskrun", for people
  io_uring* raw() { return &ring_; }

 private:
  Ring() = default;
  Status restrict_to(std::span<const uint8_t> operations);
  void submit_now();
  bool has_deferred_work() const;
  void count_overflow();

  io_uring ring_{};
  unsigned setup_flags_ = 0;
  uint64_t overflows_ = 0;
};

// What to do when io_uring_setup(2) fails with this errno on this system: names the sysctl or the
// seccomp filter that forbids it.
std::string ring_setup_advice(int errno_value);

// Buffers that the kernel picks from when data arrives, so that an idle connection owns none
// (io_uring_register_buf_ring(3); Linux 5.19). Owned by the worker, handed back after use.
class BufferRing {
 public:
  // count: a power of two up to 32768, the most there will be; size_bytes of each buffer. The
  // kernel takes them in turn, so that few stay in the CPU's cache and many do not: it is given
  // `first` of them (0: all), and twice as many each time they have run out.
  static Result<std::unique_ptr<BufferRing>> create(Ring& ring, uint16_t group, unsigned count,
                                                    unsigned size_bytes, unsigned first = 0);
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  uint16_t group() const { return group_; }
  // The bytes that completion `cqe` (with IORING_CQE_F_BUFFER) received.
  std::span<const char> received(const io_uring_cqe& cqe) const;
  // Gives the buffer of `cqe` back to the kernel; its bytes are gone after this.
  void give_back(const io_uring_cqe& cqe);
  // A receive has ended with ENOBUFS.
  void ran_out();

 private:
  BufferRing(Ring& ring, uint16_t group, unsigned count, unsigned size_bytes)
      : ring_(ring), group_(group), count_(count), size_bytes_(size_bytes) {}
  void give_up_to(unsigned count);
  char* buffer(unsigned id) const { return buffers_ + size_t{id} * size_bytes_; }

  Ring& ring_;
  uint16_t group_;
  unsigned count_;
  unsigned size_bytes_;
  unsigned given_ = 0;  // buffers [0, given_) are the kernel's or with who received into them
  io_uring_buf_ring* entries_ = nullptr;
  char* buffers_ = nullptr;
};

}  // namespace net
