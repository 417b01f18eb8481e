// The loop of server/worker.cc and server/connection.cc for one connection, without parsing and
// timers. Sizes are the worker's, so that a path finds what it finds in the server.
#include "bench/micro/sender.h"

#include <poll.h>

#include <algorithm>
#include <cstring>

#include "bench/micro/machine.h"
#include "common/check.h"
#include "common/measure/cpu_time.h"
#include "server/send/tuning.h"

#ifndef IORING_NOTIF_USAGE_ZC_COPIED  // Linux 6.2; liburing 2.3 does not name it yet
#define IORING_NOTIF_USAGE_ZC_COPIED (1U << 31)
#endif

namespace micro {

using ringserve::send::PathContext;
using ringserve::send::Progress;

namespace {

constexpr unsigned kSendBuffers = 64;
constexpr uint32_t kSendBufferBytes = 64 * 1024;
constexpr unsigned kPipes = 4;
constexpr uint32_t kPipeBytes = 1 << 20;

constexpr uint64_t kWritable = uint64_t{1} << 56;  // below PathContext::kFirstTag
constexpr uint64_t kOwner = 1;

}  // namespace

net::Result<std::unique_ptr<Sender>> Sender::create(ringserve::send::PathName path,
                                                    ringserve::send::Cork cork, const Link& link) {
  std::unique_ptr<Sender> sender(new Sender(path));
  if (auto status = sender->set_up(cork, link); !status) return tl::unexpected(status.error());
  return sender;
}

net::Status Sender::set_up(ringserve::send::Cork cork, const Link& link) {
  auto ring = net::Ring::open({});
  if (!ring) return tl::unexpected(ring.error());
  ring_ = std::move(*ring);
  if (info_.needs_buffers) {
    auto pool = ringserve::send::BufferPool::create(*ring_, kSendBuffers, kSendBufferBytes);
    if (!pool) return tl::unexpected(pool.error());
    buffers_ = std::move(*pool);
  }
  pipes_ = std::make_unique<ringserve::send::PipePool>(kPipes, kPipeBytes);
  context_.reset(new PathContext{*ring_, cork, *pipes_, buffers_.get(), runnable_,
                                 ringserve::send::kBuiltInTuning});
  path_ = ringserve::send::make_path(info_.path, *context_);
  transfer_.socket = link.sending.get();
  transfer_.is_tcp = link.is_tcp;
  transfer_.owner = kOwner;
  first_entry_ = ring_->raw()->sq.sqe_tail;
  return {};
}

// After a failure operations may be under way; what they name must not go before they end.
Sender::~Sender() {
  if (path_ == nullptr) return;
  transfer_.aborted = true;
  while (transfer_.in_flight > 0) CHECK(await_completion());
  path_->release(transfer_);
}

// As Connection::answer_with_file() does.
void Sender::build(const Response& response) {
  transfer_.add_copy(response.head);
  if (response.body_bytes == 0) return;
  if (info_.bodies_from_memory && response.body != nullptr) {
    transfer_.add_memory(*response.body, response.body);
    return;
  }
  ringserve::send::FileRange range{response.file, "body", response.file->get(), 0,
                                   response.body_bytes};
  if (info_.bodies_from_memory && transfer_.add_warm_file(range)) return;
  transfer_.set_file(std::move(range));
}

net::Status Sender::send(const Response& response) {
  build(response);
  if (auto status = drive(); !status) return status;
  CHECK(transfer_.empty() && transfer_.sent_bytes() == response.bytes());
  path_->release(transfer_);
  transfer_.reset();
  return {};
}

net::Status Sender::drive() {
  outcome_ = path_->advance(transfer_);
  for (;;) {
    switch (outcome_.progress) {
      case Progress::done: return {};
      case Progress::failed: return net::fail("send the response", outcome_.error);
      case Progress::truncated: return net::fail("read the body: the file is too short", EIO);
      case Progress::starved: CHECK(false);  // one transfer does not use up 64 buffers
      case Progress::again:
        ring_->submit_and_poll();
        collect();
        if (outcome_.progress == Progress::again) outcome_ = path_->advance(transfer_);
        continue;
      case Progress::blocked: await_writable(); [[fallthrough]];
      case Progress::in_flight:
      case Progress::unacknowledged:
        if (auto status = await_completion(); !status) return status;
        continue;
    }
  }
}

net::Status Sender::await_completion() {
  const int64_t deadline = deadline_ns();
  do {
    ring_->submit_and_wait(std::chrono::nanoseconds(kPatienceNs));
    if (collect() > 0) return {};
  } while (!is_past(deadline));
  return net::fail("wait for a completion of the send path", ETIMEDOUT);
}

unsigned Sender::collect() {
  return ring_->for_each_completion([this](const io_uring_cqe& cqe) {
    if (cqe.user_data != kWritable) return on_path_completed(cqe);
    awaiting_writable_ = false;
    if (outcome_.progress == Progress::blocked) outcome_ = path_->advance(transfer_);
  });
}

void Sender::on_path_completed(const io_uring_cqe& cqe) {
  CHECK(transfer_.in_flight > 0);
  note_zero_copy(cqe);
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) --transfer_.in_flight;
  if (transfer_.aborted) return;
  const auto tag = static_cast<unsigned>(cqe.user_data >> 56) - PathContext::kFirstTag;
  const ringserve::send::Outcome next = path_->completed(transfer_, tag, cqe);
  // An outcome of in_flight leaves the owner waiting as it was: see Path::completed().
  if (next.progress != Progress::in_flight) outcome_ = next;
}

// A zero-copy send completes twice: with its bytes, then with what became of them.
void Sender::note_zero_copy(const io_uring_cqe& cqe) {
  if ((cqe.flags & IORING_CQE_F_MORE) != 0 && cqe.res > 0) {
    unnotified_bytes_[cqe.user_data] = static_cast<uint64_t>(cqe.res);
    zero_copy_bytes_ += static_cast<uint64_t>(cqe.res);
  } else if ((cqe.flags & IORING_CQE_F_NOTIF) != 0 &&
             (static_cast<unsigned>(cqe.res) & IORING_NOTIF_USAGE_ZC_COPIED) != 0) {
    reported_copied_bytes_ += std::exchange(unnotified_bytes_[cqe.user_data], 0);
  }
}

void Sender::await_writable() {
  if (awaiting_writable_) return;
  io_uring_sqe* sqe = ring_->next_entry();
  io_uring_prep_poll_add(sqe, transfer_.socket, POLLOUT);
  io_uring_sqe_set_data64(sqe, kWritable);
  awaiting_writable_ = true;
}

SendCounts Sender::counts() const {
  return {ring_->raw()->sq.sqe_tail - first_entry_, zero_copy_bytes_, reported_copied_bytes_};
}

}  // namespace micro
