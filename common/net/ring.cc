// Wraps liburing where its defaults would lose something: a full submission queue, EINTR, and
// error messages that name the system call but not the sysctl behind it.
#include "common/net/ring.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "common/check.h"

namespace net {
namespace {

constexpr const char* kTooOld =
    "this kernel is too old: ringserve needs Linux 6.1 or newer (multishot receive into a ring "
    "of provided buffers)";

int read_io_uring_disabled() {
  int value = 0;
  std::ifstream("/proc/sys/kernel/io_uring_disabled") >> value;
  return value;
}

// Not by /proc/self/status: by now the process may be confined to what it serves.
bool under_seccomp_filter() { return ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER; }

// Multishot recv has no flag to ask for; IORING_OP_SEND_ZC came in the same release (6.0).
bool has_multishot_recv(io_uring* ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) return false;
  const bool supported = io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;
  io_uring_free_probe(probe);
  return supported;
}

// What comes of io_uring_enter(2) must be something that can be tried again. EBADR is told once,
// for completions that the kernel had no memory to keep: a connection would wait for one for ever,
// and whether its buffers may be used again is not known. A core would hold what clients sent, and
// not the reason.
void require_entered(int result) {
  constexpr std::array kPassing = {ETIME, EINTR, EAGAIN, EBUSY};
  if (result >= 0 || std::find(kPassing.begin(), kPassing.end(), -result) != kPassing.end()) return;
  const Error error{"io_uring_enter", -result,
                    result == -EBADR
                        ? "the kernel had no memory to keep a completion, and whose it was is "
                          "lost; the process ends, to be started again: give the machine more "
                          "memory, or fewer connections"
                        : "the ring cannot be used any more; the process ends"};
  std::fprintf(stderr, "fatal: %s\n", error.message().c_str());
  std::_Exit(EXIT_FAILURE);
}

}  // namespace

std::string ring_setup_advice(int errno_value) {
  const std::string seccomp =
      "a seccomp filter forbids it: allow io_uring_setup, io_uring_enter and io_uring_register in "
      "the container's seccomp profile";
  if (errno_value == EPERM) {
    const int disabled = read_io_uring_disabled();
    if (disabled != 0) {
      return fmt::format(
          "kernel.io_uring_disabled is {}: 'sysctl kernel.io_uring_disabled=0', or {}", disabled,
          disabled == 1 ? "run in the group kernel.io_uring_group" : "ask who set it");
    }
    return under_seccomp_filter() ? seccomp : "a security module forbids io_uring to this process";
  }
  if (errno_value == ENOSYS) {
    return under_seccomp_filter()
               ? "this kernel has no io_uring, or " + seccomp
               : "this kernel was built without io_uring (CONFIG_IO_URING) or is older than 5.1; "
                 "ringserve needs Linux 6.1 or newer";
  }
  if (errno_value == ENOMEM) return "raise RLIMIT_MEMLOCK (ulimit -l)";
  if (errno_value == EMFILE) return "raise RLIMIT_NOFILE (ulimit -n)";
  return {};
}

Result<std::unique_ptr<Ring>> Ring::open(Sizes sizes, std::span<const uint8_t> operations) {
  constexpr std::array<unsigned, 3> kFlagChoices = {
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
      IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0};
  std::unique_ptr<Ring> ring(new Ring);
  int error = 0;
  for (const unsigned flags : kFlagChoices) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    if (!operations.empty()) params.flags |= IORING_SETUP_R_DISABLED;  // until restrict_to()
    params.cq_entries = sizes.completions;
    error = io_uring_queue_init_params(sizes.submissions, &ring->ring_, &params);
    if (error == 0) {
      ring->setup_flags_ = flags;
      break;
    }
    ring->ring_.ring_fd = -1;
    if (error != -EINVAL) break;  // EINVAL: this kernel does not know the flag, try with fewer
  }
  if (error != 0) {
    ring->ring_.ring_fd = -1;
    return fail("io_uring_setup", -error, ring_setup_advice(-error));
  }
  if (!has_multishot_recv(&ring->ring_)) {
    return fail("io_uring without multishot receive", 0, kTooOld);
  }
  if (!operations.empty()) {
    if (auto status = ring->restrict_to(operations); !status) {
      return tl::unexpected(status.error());
    }
  }
  // Spares a descriptor look-up on every io_uring_enter(2). Without it all works the same.
  io_uring_register_ring_fd(&ring->ring_);
  return ring;
}

// io_uring_register(2), IORING_REGISTER_RESTRICTIONS. What seccomp cannot see: operations are
// written into memory.
Status Ring::restrict_to(std::span<const uint8_t> operations) {
  constexpr std::array kRegistrations = {IORING_REGISTER_PBUF_RING, IORING_UNREGISTER_PBUF_RING,
                                         IORING_REGISTER_BUFFERS,   IORING_UNREGISTER_BUFFERS,
                                         IORING_REGISTER_RING_FDS,  IORING_UNREGISTER_RING_FDS,
                                         IORING_REGISTER_IOWQ_MAX_WORKERS};
  std::vector<io_uring_restriction> rules;
  const auto add = [&rules](uint16_t kind) -> io_uring_restriction& {
    io_uring_restriction& rule = rules.emplace_back();
    rule.opcode = kind;
    return rule;
  };
  for (const auto registration : kRegistrations) {
    add(IORING_RESTRICTION_REGISTER_OP).register_op = static_cast<uint8_t>(registration);
  }
  for (const uint8_t operation : operations) add(IORING_RESTRICTION_SQE_OP).sqe_op = operation;
  add(IORING_RESTRICTION_SQE_FLAGS_ALLOWED).sqe_flags =
      IOSQE_BUFFER_SELECT | IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS | IOSQE_ASYNC;
  // liburing 2.3 declares functions for these two, and does not export them.
  const auto fd = static_cast<unsigned>(ring_.ring_fd);
  int error = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, rules.data(),
                                static_cast<unsigned>(rules.size()));
  if (error != 0) return fail("io_uring_register(IORING_REGISTER_RESTRICTIONS)", -error);
  error = io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  if (error != 0) return fail("io_uring_register(IORING_REGISTER_ENABLE_RINGS)", -error);
  return {};
}

Ring::~Ring() {
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
}

Status Ring::limit_workers(unsigned on_files, unsigned on_others) {
  std::array<unsigned, 2> most = {on_files, on_others};
  const int error = io_uring_register_iowq_max_workers(&ring_, most.data());
  if (error == 0) return {};
  return fail("io_uring_register(IORING_REGISTER_IOWQ_MAX_WORKERS)", -error,
              ring_setup_advice(-error));
}

void Ring::submit_now() {
  const int submitted = io_uring_submit(&ring_);
  require_entered(submitted);
  if (submitted >= 0 || submitted == -EINTR) return;
  // The kernel is short of memory or keeps an overflow list: let it run what it has deferred.
  require_entered(io_uring_get_events(&ring_));
}

io_uring_sqe* Ring::next_entry() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (sqe == nullptr) {
    submit_now();
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void Ring::reserve(unsigned entries) {
  while (io_uring_sq_space_left(&ring_) < entries) submit_now();
}

void Ring::cancel(uint64_t target, uint64_t own) {
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_cancel64(sqe, target, 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, own);
}

void Ring::submit_and_wait(std::chrono::nanoseconds timeout) {
  io_uring_cqe* cqe = nullptr;
  int result = 0;
  if (timeout.count() < 0) {
    result = io_uring_submit_and_wait(&ring_, 1);
  } else {
    __kernel_timespec limit{};
    limit.tv_sec = timeout.count() / 1'000'000'000;
    limit.tv_nsec = timeout.count() % 1'000'000'000;
    result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &limit, nullptr);
  }
  require_entered(result);
  count_overflow();
}

// The kernel gives what it has kept back at the next entry, after room was made (io_uring_setup(2),
// IORING_FEAT_NODROP). Its own counter, cq.koverflow, is of completions that were lost.
void Ring::count_overflow() {
  if ((IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0) ++overflows_;
}

bool Ring::has_deferred_work() const {
  if ((setup_flags_ & IORING_SETUP_TASKRUN_FLAG) == 0) return true;
  const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool Ring::has_completions() const { return io_uring_cq_ready(&ring_) > 0 || has_deferred_work(); }

void Ring::submit_and_poll() {
  if (!has_deferred_work() && io_uring_sq_ready(&ring_) == 0) return;
  const int result = io_uring_submit_and_get_events(&ring_);
  require_entered(result);
  count_overflow();
}

std::string Ring::features() const {
  if ((setup_flags_ & IORING_SETUP_DEFER_TASKRUN) != 0) return "single-issuer, defer-taskrun";
  if ((setup_flags_ & IORING_SETUP_COOP_TASKRUN) != 0) return "coop-taskrun";
  return "no set-up flags";
}

Result<std::unique_ptr<BufferRing>> BufferRing::create(Ring& ring, uint16_t group, unsigned count,
                                                       unsigned size_bytes, unsigned first) {
  CHECK(first <= count && count > 0 && count <= 32768 && (count & (count - 1)) == 0);
  std::unique_ptr<BufferRing> buffers(new BufferRing(ring, group, count, size_bytes));
  const size_t entries_bytes = count * sizeof(io_uring_buf);
  void* memory = ::mmap(nullptr, entries_bytes + size_t{count} * size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail("mmap of the receive buffers", errno);
  // What clients send is not for core dumps; where the kernel refuses, it is there.
  (void)::madvise(memory, entries_bytes + size_t{count} * size_bytes, MADV_DONTDUMP);
  buffers->entries_ = static_cast<io_uring_buf_ring*>(memory);
  buffers->buffers_ = static_cast<char*>(memory) + entries_bytes;

  // liburing 2.3 has no io_uring_setup_buf_ring(), so the ring is registered by hand.
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(memory);
  registration.ring_entries = count;
  registration.bgid = group;
  const int error = io_uring_register_buf_ring(ring.raw(), &registration, 0);
  if (error != 0) {
    return fail("io_uring_register(IORING_REGISTER_PBUF_RING)", -error,
                error == -EINVAL ? kTooOld : "");
  }
  io_uring_buf_ring_init(buffers->entries_);
  buffers->give_up_to(first == 0 ? count : first);
  return buffers;
}

void BufferRing::give_up_to(unsigned count) {
  const unsigned before = given_;
  for (; given_ < count; ++given_) {
    io_uring_buf_ring_add(entries_, buffer(given_), size_bytes_, static_cast<uint16_t>(given_),
                          io_uring_buf_ring_mask(count_), static_cast<int>(given_ - before));
  }
  io_uring_buf_ring_advance(entries_, static_cast<int>(given_ - before));
}

void BufferRing::ran_out() {
  if (given_ < count_) give_up_to(std::min(2 * given_, count_));
}

BufferRing::~BufferRing() {
  if (entries_ == nullptr) return;
  io_uring_unregister_buf_ring(ring_.raw(), group_);
  ::munmap(entries_, count_ * sizeof(io_uring_buf) + size_t{count_} * size_bytes_);
}

std::span<const char> BufferRing::received(const io_uring_cqe& cqe) const {
  CHECK((cqe.flags & IORING_CQE_F_BUFFER) != 0);
  const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
  CHECK(id < count_ && cqe.res >= 0 && static_cast<unsigned>(cqe.res) <= size_bytes_);
  return {buffer(id), static_cast<size_t>(cqe.res)};
}

void BufferRing::give_back(const io_uring_cqe& cqe) {
  const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
  CHECK(id < count_);
  io_uring_buf_ring_add(entries_, buffer(id), size_bytes_, static_cast<uint16_t>(id),
                        io_uring_buf_ring_mask(count_), 0);
  io_uring_buf_ring_advance(entries_, 1);
}

}  // namespace net
