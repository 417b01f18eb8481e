// One way to move a Transfer into its socket. Each path is one file beside this one; they differ in
// system calls and copies, never in the bytes. One object per worker, used by its thread only.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "common/net/result.h"
#include "common/net/ring.h"
#include "server/counter.h"
#include "server/send/buffer_pool.h"
#include "server/send/pipe_pool.h"
#include "server/send/transfer.h"
#include "server/send/tuning.h"

namespace ringserve::send {

enum class PathName {
  automatic,
  read_write,
  writev,
  sendfile,
  splice,
  uring_send,
  uring_splice,
  send_zc
};
// automatic: tcp_cork for a part that takes more than one turn, where only the cork keeps every
// segment full (15 % of a 100 MiB file's CPU); msg_more for the rest, which spares two calls (2 %
// of 100 KB).
enum class Cork { automatic, tcp_cork, msg_more, none };

struct PathInfo {
  std::string_view name;  // as on the command line
  PathName path;
  bool bodies_from_memory;  // sends small bodies from memory, not from the file
  bool needs_buffers;       // reads into buffers of a pool
};
std::span<const PathInfo> all_paths();
const PathInfo& info_of(PathName path);

// How far a transfer has come.
enum class Progress {
  done,            // every byte is in the socket's send buffer
  again,           // the turn's share is used up and the socket still takes more
  blocked,         // the send buffer is full: go on when the socket is writable
  in_flight,       // a ring operation is under way: completed() will be called
  unacknowledged,  // the same, of one that ends when the client has acknowledged what it sent
  starved,         // no buffer is free: the context makes the owner runnable when one is
  failed,          // the socket or the file: errno in `error`
  truncated,       // the file is shorter than it was when the head was made
};
struct Outcome {
  Progress progress = Progress::done;
  int error = 0;
};

// What one transfer may send before others get their turn: at 23 GB/s (loopback, reno) 23
// microseconds that every other ready connection waits.
constexpr uint64_t kTurnBytesMax = 512 * 1024;
// While the ring has nothing for anybody else, it may have so many turns on end: longer runs into
// one socket cost 4 % less of a 100 MiB file (bench/versus/run --workloads 100m).
constexpr unsigned kTurnsOnEndMax = 4;

// Windows that one worker reads from the disk at a time, with auto: 2 MiB keep a fast disk busy.
// Each has a thread of the kernel's, and with a fast disk these share the worker's CPU with it.
constexpr unsigned kDiskReadersMax = 4;

struct Counters {
  Counter zero_copy_sends;
  Counter zero_copy_copied;  // of them, those the kernel copied all the same
  Counter cold_reads;        // windows of files that the ring had to read in first
};

// What the paths of one worker share.
struct PathContext {
  // A path's operation has this in the top byte of its user_data, plus a tag of the path's own.
  static constexpr unsigned kFirstTag = 64;

  net::Ring& ring;
  Cork cork;
  PipePool& pipes;
  BufferPool* buffers;              // null for paths that need none
  std::vector<uint64_t>& runnable;  // owners to be given a turn
  const Tuning& tuning;             // of auto
  std::deque<uint64_t> starved{};   // owners waiting for a buffer, first come first served
  Counters counters{};

  static uint64_t user_data(unsigned tag, const Transfer& transfer) {
    return (uint64_t{kFirstTag + tag} << 56) | transfer.owner;
  }
  Outcome wait_for_resource(const Transfer& transfer) {
    starved.push_back(transfer.owner);
    return {Progress::starved, 0};
  }
  void resource_freed() {
    if (starved.empty()) return;
    runnable.push_back(starved.front());
    starved.pop_front();
  }
};

class Path {
 public:
  explicit Path(PathContext& context) : context_(context) {}
  virtual ~Path() = default;

  // Moves as much as one turn allows. Not to be called between an outcome of in_flight and the
  // call of completed() that answers something else.
  virtual Outcome advance(Transfer& transfer) = 0;
  // A ring operation of this transfer has completed; in_flight is already counted down. An outcome
  // of in_flight leaves the owner waiting as it was.
  virtual Outcome completed(Transfer& transfer, unsigned tag, const io_uring_cqe& cqe);
  // The transfer ends, finished or not: pipes and buffers go back. Nothing is in flight.
  virtual void release(Transfer&) {}

 protected:
  // Queues one ring operation of the transfer; `prepare` fills the entry in.
  template <typename Prepare>
  Outcome submit(Transfer& transfer, unsigned tag, Prepare&& prepare) {
    io_uring_sqe* sqe = context_.ring.next_entry();
    prepare(sqe);
    io_uring_sqe_set_data64(sqe, PathContext::user_data(tag, transfer));
    ++transfer.in_flight;
    return {Progress::in_flight, 0};
  }

  PathContext& context_;
};

std::unique_ptr<Path> make_path(PathName name, PathContext& context);

// --- shared by the paths ---

// Sends the memory of a transfer with as few calls as possible: done, blocked or failed.
// `more_follows` lets the last segment wait for the file (send(2), MSG_MORE).
Outcome send_memory(Transfer& transfer, bool more_follows);
// Sends a buffer; done only if all of it went. `sent` counts what did.
Outcome send_buffer(int socket, const char* data, size_t bytes, bool more_follows, size_t& sent);

// How head and file share segments, by the context's Cork. begin() before the first byte, end()
// after the last; more() says whether the memory part is sent with MSG_MORE.
class CorkScope {
 public:
  static void begin(const PathContext& context, Transfer& transfer);
  static void end(Transfer& transfer);
  static bool more(const PathContext& context, const Transfer& transfer) {
    const bool wanted = context.cork == Cork::msg_more || context.cork == Cork::automatic;
    return wanted && !transfer.state.corked && transfer.has_file();
  }
};

class Turn {
 public:
  explicit Turn(const PathContext& context) : ring_(context.ring) {}

  bool is_over() {
    if (left_ == 0 && turns_ < kTurnsOnEndMax && !ring_.has_completions()) {
      ++turns_;
      left_ = kTurnBytesMax;
    }
    return left_ == 0;
  }
  uint64_t left() const { return left_; }  // bytes
  void use(uint64_t bytes) { left_ -= std::min(left_, bytes); }

 private:
  const net::Ring& ring_;
  uint64_t left_ = kTurnBytesMax;
  unsigned turns_ = 1;
};

// Runs `move` (Outcome(Transfer&, uint64_t bytes_max, uint64_t& moved)) until the file is sent, the
// turn is over or something stops it.
template <typename Move>
Outcome move_file(const PathContext& context, Transfer& transfer, Move&& move) {
  Turn turn(context);
  while (transfer.has_file()) {
    if (turn.is_over()) return {Progress::again, 0};
    uint64_t moved = 0;
    const Outcome outcome = move(transfer, std::min(turn.left(), transfer.file().length), moved);
    transfer.file_sent(moved);
    turn.use(moved);
    if (outcome.progress != Progress::done) return outcome;
  }
  return {};
}

}  // namespace ringserve::send
