// Operations of the ring. What the server has queued is looked at just before liburing hands it to
// the kernel. An entry that is to fail becomes one that fails by itself, a read from no descriptor:
// so nothing it asked for is done, a link behind it breaks as it would, and its completion comes in
// its turn. The errno in that completion is then the wanted one, before the server sees it. A short
// count is an entry that asks for fewer bytes.
#include <dlfcn.h>
#include <liburing.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/faults/preload/hits.h"

namespace {

using faults::Call;
using faults::hit;
using faults::kShortCount;

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}
#define NEXT(name) next<decltype(::name)>(#name)

constexpr std::uint64_t kNoOffset = UINT64_MAX;  // of a pipe: splice(2)
constexpr int kNoDescriptor = -1;

// A ring belongs to one thread, and so does what is known of it.
thread_local std::vector<std::pair<std::uint64_t, int>> failing;  // user_data, errno
thread_local unsigned seen = 0;                                   // completions, as the CQ counts

Call call_of(const io_uring_sqe& entry) {
  switch (entry.opcode) {
    case IORING_OP_ACCEPT: return Call::ring_accept;
    case IORING_OP_OPENAT2: return Call::ring_openat2;
    case IORING_OP_POLL_ADD: return Call::ring_poll;
    case IORING_OP_RECV: return Call::ring_recv;
    case IORING_OP_READ:
    case IORING_OP_READ_FIXED: return Call::ring_read;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_SEND_ZC: return Call::ring_send;
    case IORING_OP_SPLICE:
      return entry.splice_off_in == kNoOffset ? Call::ring_splice_to_socket
                                              : Call::ring_splice_from_file;
    default: return Call::kCount;
  }
}

// What a short count would be taken from; 0 where there is none.
std::size_t bytes_of(const io_uring_sqe& entry, Call call) {
  if (entry.opcode == IORING_OP_SENDMSG) {
    return reinterpret_cast<const msghdr*>(entry.addr)->msg_iov[0].iov_len;
  }
  const bool has_bytes = call == Call::ring_read || call == Call::ring_send ||
                         call == Call::ring_splice_from_file || call == Call::ring_splice_to_socket;
  return has_bytes ? entry.len : 0;
}

void cut(io_uring_sqe& entry, std::size_t bytes) {
  if (entry.opcode == IORING_OP_SENDMSG) {
    entry.opcode = IORING_OP_SEND;
    entry.addr = reinterpret_cast<std::uint64_t>(
        reinterpret_cast<const msghdr*>(entry.addr)->msg_iov[0].iov_base);
  }
  entry.len = static_cast<unsigned>(bytes / 2);
}

void make_fail(io_uring_sqe& entry, int error) {
  const std::uint64_t user_data = entry.user_data;
  const unsigned link = entry.flags & IOSQE_IO_LINK;
  io_uring_prep_read(&entry, kNoDescriptor, nullptr, 0, 0);
  entry.flags = static_cast<unsigned char>(link);
  entry.user_data = user_data;
  failing.emplace_back(user_data, error);
}

void look_at_queued(io_uring* ring) {
  for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; ++i) {
    io_uring_sqe& entry = ring->sq.sqes[i & ring->sq.ring_mask];
    const Call call = call_of(entry);
    if (call == Call::kCount || entry.fd == kNoDescriptor) continue;
    const std::size_t bytes = bytes_of(entry, call);
    const int error = hit(call, bytes);
    if (error == kShortCount) cut(entry, bytes);
    if (error > 0) make_fail(entry, error);
  }
}

void look_at_completed(io_uring* ring) {
  faults::Plan& plan = *faults::plan();
  const unsigned head = *ring->cq.khead;
  const unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);
  if (tail - seen > tail - head) seen = head;
  for (; seen != tail; ++seen) {
    io_uring_cqe& cqe = ring->cq.cqes[seen & ring->cq.ring_mask];
    const auto wanted = std::find_if(failing.begin(), failing.end(),
                                     [&](const auto& one) { return one.first == cqe.user_data; });
    if (wanted != failing.end()) {
      cqe.res = -wanted->second;
      failing.erase(wanted);
    } else if (cqe.res < 0 && static_cast<std::size_t>(-cqe.res) < faults::kErrnoMax) {
      plan.failed_completions[static_cast<std::size_t>(-cqe.res)].fetch_add(1);
    }
  }
  if ((IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0) {
    plan.overflows.fetch_add(1);
  }
}

// Around whatever enters the kernel; `enter` is the function of liburing.
template <typename Enter>
int around(io_uring* ring, Enter&& enter) {
  if (faults::plan() == nullptr) return enter();
  if (const int error = hit(Call::ring_enter); error > 0) return -error;
  look_at_queued(ring);
  const int result = enter();
  look_at_completed(ring);
  return result;
}

}  // namespace

extern "C" {

int io_uring_queue_init_params(unsigned entries, io_uring* ring, io_uring_params* params) {
  faults::Plan* plan = faults::plan();
  if (plan == nullptr) return NEXT(io_uring_queue_init_params)(entries, ring, params);
  if (const unsigned wanted = plan->ring_entries.load(); wanted > 0) {
    entries = params->cq_entries = wanted;
  }
  const int result = NEXT(io_uring_queue_init_params)(entries, ring, params);
  unsigned workers[2] = {plan->ring_workers.load(), plan->ring_workers.load()};
  if (result == 0 && workers[0] > 0) {
    const int limited = io_uring_register_iowq_max_workers(ring, workers);
    if (limited < 0) return limited;
  }
  return result;
}

int io_uring_submit(io_uring* ring) {
  return around(ring, [&] { return NEXT(io_uring_submit)(ring); });
}

int io_uring_submit_and_wait(io_uring* ring, unsigned count) {
  return around(ring, [&] { return NEXT(io_uring_submit_and_wait)(ring, count); });
}

int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned count,
                                     __kernel_timespec* timeout, sigset_t* mask) {
  return around(ring, [&] {
    return NEXT(io_uring_submit_and_wait_timeout)(ring, cqe, count, timeout, mask);
  });
}

int io_uring_submit_and_get_events(io_uring* ring) {
  return around(ring, [&] { return NEXT(io_uring_submit_and_get_events)(ring); });
}

int io_uring_get_events(io_uring* ring) {
  return around(ring, [&] { return NEXT(io_uring_get_events)(ring); });
}

}  // extern "C"
