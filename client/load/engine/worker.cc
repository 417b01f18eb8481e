// The loop: send what is due, submit, wait for completions until the next event, act on them. It
// relies on the ring's wait being woken by a timer of nanosecond grain (PR_SET_TIMERSLACK), and
// must never block anywhere else.
#include "client/load/engine/worker.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/check.h"
#include "common/measure/cpu_time.h"

namespace ringload {
namespace {

constexpr net::Ring::Sizes kRingSizes = {.submissions = 1024, .completions = 8192};
constexpr uint16_t kBufferGroup = 0;
// Heads and small bodies; what is larger is either discarded in the kernel or read in large parts.
constexpr unsigned kSmallBuffers = 256;
constexpr unsigned kSmallBufferBytes = 4096;
constexpr unsigned kLargeBuffers = 64;
constexpr unsigned kLargeBufferBytes = 64 << 10;
constexpr size_t kKnownHeads = 1024;
constexpr int64_t kLookNs = 50'000'000;  // and not rarer than ten times a timeout
constexpr int64_t kLookMinNs = 1'000'000;
constexpr uint32_t kOpenedAtOnce = 256;
constexpr int64_t kOpeningPauseNs = 1'000'000;
constexpr uint64_t kAttemptsBeforeHopeless = 10;  // where connections are opened on demand

std::vector<Stage> schedule_of(const Plan& plan) {
  constexpr double kForever = std::numeric_limits<double>::infinity();
  return plan.open_loop() ? plan.rate : std::vector<Stage>{{1, 1, kForever}};
}

}  // namespace

Worker::Worker(const Materials& materials, Control& control, Mailbox& mailbox, unsigned number)
    : materials_(materials),
      plan_(materials.plan),
      control_(control),
      mailbox_(mailbox),
      number_(number),
      lazy_(plan_.requests_per_connection == 1),
      connector_(plan_, number),
      gates_(plan_.targets.size(), PortGate(connector_.sources())),
      known_heads_(kKnownHeads),
      random_(plan_.seed + number),
      schedule_(schedule_of(plan_)),
      next_index_(number),
      interval_(mailbox.take_empty()) {
  for (uint32_t global = number; global < plan_.connections; global += plan_.threads) {
    const auto slot = static_cast<uint32_t>(connections_.size());
    const auto target = static_cast<uint32_t>(global % plan_.targets.size());
    connections_.push_back(std::make_unique<Connection>(slot, target, plan_.pipeline));
  }
}

net::Result<std::unique_ptr<Worker>> Worker::create(const Materials& materials, Control& control,
                                                    Mailbox& mailbox, unsigned number,
                                                    int wake_fd) {
  std::unique_ptr<Worker> worker(new Worker(materials, control, mailbox, number));
  if (auto opened = worker->open_ring(wake_fd); !opened) return tl::unexpected(opened.error());
  return worker;
}

net::Status Worker::open_ring(int wake_fd) {
  auto ring = net::Ring::open(kRingSizes);
  if (!ring) return tl::unexpected(ring.error());
  ring_ = std::move(*ring);
  const bool large = plan_.body != BodyMode::discard;
  auto buffers =
      net::BufferRing::create(*ring_, kBufferGroup, large ? kLargeBuffers : kSmallBuffers,
                              large ? kLargeBufferBytes : kSmallBufferBytes);
  if (!buffers) return tl::unexpected(buffers.error());
  buffers_ = std::move(*buffers);
  // Woken for good: the coordinator writes once, when the end has been moved.
  io_uring_sqe* sqe = ring_->next_entry();
  io_uring_prep_poll_multishot(sqe, wake_fd, POLLIN);
  io_uring_sqe_set_data64(sqe, uint64_t{static_cast<uint8_t>(Operation::wake)} << 56);
  return {};
}

void Worker::run() {
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  now_ns_ = measure::monotonic_ns();
  interval_cpu_ns_ = measure::thread_cpu_ns();
  const int64_t before_measured = control_.measured_from_ns - control_.begin_ns;
  next_row_ns_ = control_.measured_from_ns - before_measured / control_.row_ns * control_.row_ns;
  if (next_row_ns_ <= control_.begin_ns) next_row_ns_ += control_.row_ns;
  end_ns_ = control_.end_ns.load(std::memory_order_relaxed);
  if (plan_.open_loop()) next_due_ns_ = due_ns(next_index_);
  // Thousands at once would overflow the server's accept queue before it has looked at it.
  for (auto& connection : connections_) {
    plan_retry(*connection, connection->slot / kOpenedAtOnce * kOpeningPauseNs);
  }
  try_again();
  while (!done()) turn();
  give_up();
}

void Worker::turn() {
  const int64_t left_ns = next_event_ns() - measure::monotonic_ns();
  ring_->submit_and_wait(std::chrono::nanoseconds(std::max<int64_t>(0, left_ns)));
  now_ns_ = measure::monotonic_ns();
  ring_->for_each_completion([this](const io_uring_cqe& cqe) { on_completion(cqe); });
  settle_probes();
  end_ns_ = control_.end_ns.load(std::memory_order_relaxed);
  if (plan_.open_loop()) dispatch_due();  // what was due before a row's end belongs to it
  hand_over_due_intervals();
  if (!without_buffer_.empty()) {
    std::vector<uint32_t> waiting;
    waiting.swap(without_buffer_);
    for (const uint32_t slot : waiting) arm_receive(*connections_[slot]);
  }
  try_again();
  if (now_ns_ >= next_look_ns_) look_around();
  if (plan_.open_loop()) dispatch_due();
}

int64_t Worker::next_event_ns() const {
  int64_t next = std::min(next_look_ns_, next_row_ns_);
  next =
      std::min(next, may_begin() ? end_ns_ : control_.give_up_ns.load(std::memory_order_relaxed));
  if (!blocked_ && may_begin() && !out_of_budget()) next = std::min(next, next_due_ns_);
  if (!retries_.empty()) next = std::min(next, retries_.top().at_ns);
  for (const PortGate& gate : gates_) next = std::min(next, gate.due_ns().value_or(kNever));
  return next;
}

void Worker::on_completion(const io_uring_cqe& cqe) {
  const auto operation = static_cast<Operation>(cqe.user_data >> 56);
  if (operation == Operation::wake || operation == Operation::cancel) return;
  Connection& connection = *connections_[static_cast<uint32_t>(cqe.user_data)];
  const auto generation = static_cast<uint32_t>(cqe.user_data >> 32) & 0xFFFFFF;
  if (generation != connection.generation) {  // of a socket that this slot has dropped
    if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) buffers_->give_back(cqe);
    return;
  }
  switch (operation) {
    case Operation::connect: on_connect(connection, cqe.res); break;
    case Operation::receive: on_receive(connection, cqe); break;
    case Operation::discard: on_discard(connection, cqe.res); break;
    case Operation::room:
      connection.awaiting_room = false;
      send_taken(connection);
      break;
    case Operation::wake:
    case Operation::cancel: break;
  }
  if (plan_.open_loop() && now_ns_ >= next_due_ns_) dispatch_due();
}

void Worker::look_around() {
  const auto timeout_ns = static_cast<int64_t>(plan_.timeout_s * 1e9);
  next_look_ns_ = now_ns_ + std::clamp(timeout_ns / 10, kLookMinNs, kLookNs);
  for (auto& owned : connections_) {
    Connection& connection = *owned;
    check_timeouts(connection);
    if (plan_.ramped_connections.empty()) continue;
    if (!wanted(connection) && connection.state == Connection::State::open &&
        connection.pending.empty()) {
      end_connection(connection);
    } else if (wanted(connection) && connection.state == Connection::State::down &&
               !connection.retry_planned && !connection.available && connection.pending.empty()) {
      open_slot(connection);
    }
  }
  const bool all_try = !lazy_ && plan_.ramped_connections.empty();
  const uint64_t enough = all_try
                              ? connections_.size()
                              : std::min<uint64_t>(connections_.size(), kAttemptsBeforeHopeless);
  if (!hopeless_ && !ever_opened_ && attempts_failed_ >= enough) {
    hopeless_ = true;
    control_.hopeless_workers.fetch_add(1);
    ::eventfd_write(control_.coordinator_wake.get(), 1);
  }
}

void Worker::check_timeouts(Connection& connection) {
  const auto timeout_ns = static_cast<int64_t>(plan_.timeout_s * 1e9);
  switch (connection.state) {
    case Connection::State::down: break;
    case Connection::State::connecting:
      if (now_ns_ - connection.state_since_ns < timeout_ns) break;
      ring_->cancel(pack(Operation::connect, connection), pack(Operation::cancel, connection));
      connect_failed(connection, "timeout", "connect");
      break;
    case Connection::State::open:
      if (connection.pending.size() == connection.unsent && connection.unsent_offset == 0) break;
      if (now_ns_ - connection.pending.front().sent_ns < timeout_ns) break;
      lose_connection(connection, "timeout", "response");
      break;
    case Connection::State::ending:
      if (now_ns_ - connection.state_since_ns < timeout_ns) break;
      interval_->count_error("close", "TIMEOUT");
      drop_socket(connection);
      reopen(connection);
      break;
  }
}

bool Worker::done() const {
  if (may_begin()) return out_of_budget() && outstanding_ == 0;
  if (in_flight_ == 0) return true;
  return now_ns_ >= control_.give_up_ns.load(std::memory_order_relaxed);
}

// --- the numbers ---

void Worker::hand_over_due_intervals() {
  while (now_ns_ >= next_row_ns_ && next_row_ns_ < end_ns_) {
    interval_->until_ns = next_row_ns_;
    hand_over_interval();
    next_row_ns_ += control_.row_ns;
  }
  if (now_ns_ >= end_ns_ && !end_row_handed_over_) {
    end_row_handed_over_ = true;
    next_row_ns_ = kNever;
    interval_->until_ns = end_ns_;
    interval_->last_row = true;
    interval_->unsent = count_unsent();
    hand_over_interval();
  }
}

void Worker::hand_over_interval() {
  const int64_t cpu_ns = measure::thread_cpu_ns();
  interval_->cpu_ns = cpu_ns - interval_cpu_ns_;
  interval_cpu_ns_ = cpu_ns;
  interval_->connected = open_;
  for (const auto& connection : connections_) {
    if (connection->lost_since_ns == 0) continue;
    interval_->lost_ns += static_cast<uint64_t>(now_ns_ - connection->lost_since_ns);
    connection->lost_since_ns = now_ns_;
  }
  mailbox_.hand_over(std::move(interval_));
  interval_ = mailbox_.take_empty();
  ::eventfd_write(control_.coordinator_wake.get(), 1);
}

// Ends what is left as it would have ended, and hands over the last numbers.
void Worker::give_up() {
  giving_up_ = true;
  ring_->submit_and_poll();     // what is queued may name sockets that are closed below
  if (!end_row_handed_over_) {  // the budget was used up before the end
    interval_->until_ns = now_ns_;
    interval_->last_row = true;
    end_row_handed_over_ = true;
    hand_over_interval();
  }
  interval_->unanswered = in_flight_;
  if (plan_.open_loop()) {
    for (const auto& connection : connections_) {
      PendingQueue& pending = connection->pending;
      const bool open = connection->state == Connection::State::open;
      for (unsigned i = open ? pending.size() - connection->unsent : 0; i < pending.size(); ++i) {
        if (pending.at(i).from_ns >= control_.measured_from_ns) ++interval_->unsent;
      }
    }
  }
  interval_->after_end = true;
  interval_->until_ns = now_ns_;
  for (auto& connection : connections_) {
    if (connection->state == Connection::State::open && connection->pending.empty()) {
      end_connection(*connection);
    }
    drop_socket(*connection);
  }
  ring_->submit_and_poll();
  hand_over_interval();
  mailbox_.finish();
  ::eventfd_write(control_.coordinator_wake.get(), 1);
}

// --- open loop ---

void Worker::dispatch_due() {
  // Due before the end and late by a wake-up: it is sent. A backlog is not sent after the end.
  while (next_due_ns_ <= now_ns_ && next_due_ns_ < end_ns_ && (may_begin() || !blocked_) &&
         !out_of_budget()) {
    Connection* connection = pop_available();
    if (connection == nullptr) {
      blocked_ = true;
      return;
    }
    if (!take_budget()) return;
    now_ns_ = measure::monotonic_ns();
    // The generator is to blame for the delay only if a connection was there when it was due.
    if (!blocked_)
      interval_->schedule_error_ns.record(static_cast<uint64_t>(now_ns_ - next_due_ns_));
    take(*connection, next_due_ns_);
    next_index_ += plan_.threads;
    next_due_ns_ = due_ns(next_index_);
    if (connection->state == Connection::State::open) {
      send_taken(*connection);
    } else {
      open_slot(*connection);
    }
    if (keeps_going(*connection)) make_available(*connection);
  }
  if (next_due_ns_ > now_ns_) blocked_ = false;
}

void Worker::make_available(Connection& connection) {
  if (connection.available || !plan_.open_loop()) return;
  connection.available = true;
  available_.push_back(connection.slot);
}

Connection* Worker::pop_available() {
  while (!available_.empty()) {
    Connection& connection = *connections_[available_.front()];
    available_.pop_front();
    connection.available = false;
    if (keeps_going(connection)) return &connection;
  }
  return nullptr;
}

int64_t Worker::due_ns(uint64_t index) {
  const int64_t after_ns = schedule_.due_ns(index);
  return after_ns < kNever - control_.begin_ns ? control_.begin_ns + after_ns : kNever;
}

// Requests of this worker that were due in the measured part, and never dispatched.
uint64_t Worker::count_unsent() const {
  if (!plan_.open_loop()) return 0;
  const auto own_before = [this](double count) {  // of the first `count` of the schedule
    const auto all = static_cast<uint64_t>(std::ceil(count));
    return all > number_ ? (all - number_ - 1) / plan_.threads + 1 : 0;
  };
  const uint64_t due =
      own_before(schedule_.count_until(static_cast<double>(end_ns_ - control_.begin_ns) / 1e9));
  const uint64_t done = std::max(own_before(schedule_.count_until(plan_.warmup_s)),
                                 (next_index_ - number_) / plan_.threads);
  return due > done ? due - done : 0;
}

// --- small things ---

uint64_t Worker::pack(Operation operation, const Connection& connection) const {
  return uint64_t{static_cast<uint8_t>(operation)} << 56 | uint64_t{connection.generation} << 32 |
         connection.slot;
}

const Target& Worker::target_of(const Connection& connection) const {
  return plan_.targets[connection.target];
}

bool Worker::wanted(const Connection& connection) const {
  if (plan_.ramped_connections.empty()) return true;
  const double at_s = static_cast<double>(now_ns_ - control_.begin_ns) / 1e9;
  const double now_wanted = value_at(plan_.ramped_connections, at_s);
  return number_ + uint64_t{plan_.threads} * connection.slot <
         static_cast<uint64_t>(now_wanted + 0.5);
}

bool Worker::keeps_going(const Connection& connection) const {
  if (connection.pending.full() || !wanted(connection)) return false;
  const uint32_t limit = plan_.requests_per_connection;
  if (connection.state == Connection::State::open) {
    return !connection.closing && (limit == 0 || connection.taken < limit);
  }
  return lazy_ && connection.state == Connection::State::down && connection.pending.empty() &&
         !connection.retry_planned;
}

}  // namespace ringload
