// The loop: wait for completions, hand each to its connection, give a turn to those that asked for
// one, look at the timers, accept again if accepting had to pause. Nothing in a turn may block.
#include "server/worker.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "common/check.h"
#include "server/operation.h"
#include "server/ring_operations.h"

namespace ringserve {
namespace {

// The most there are for a burst of completions, and how many it begins with: with 32 a small
// request costs 2 % less than with 256. An idle connection owns none of them. When they run out,
// receives end with ENOBUFS and are armed again.
constexpr unsigned kReceiveBuffers = 256;
constexpr unsigned kReceiveBuffersFirst = 32;
constexpr unsigned kReceiveBufferBytes = 4096;
constexpr uint16_t kReceiveGroup = 0;

constexpr unsigned kSendBuffers = 64;
constexpr uint32_t kSendBufferBytes = 64 * 1024;
constexpr uint32_t kPipeBytes = 1 << 20;  // fs.pipe-max-size's default

// So many connections' replies are gathered before they are sent in a row: one wake-up of a client
// process for all of them, and still warm in the cache (bench/versus/run --workloads pipelined:
// 0.49 us a request with 8, 0.52 with 1000, 0.51 with 2).
constexpr size_t kFlushBatch = 8;

// Of the kernel's threads for this ring, those that may wait for the disk: those that the readers
// leave, open files and close them.
constexpr unsigned kDiskThreads = send::kDiskReadersMax + 16;
constexpr unsigned kOtherThreads = 0;  // as many as the kernel allows

// How often what is not counted as it happens is brought up to date for /metrics.
constexpr int64_t kGaugesMs = 1'000;

// When a crowd has left, malloc(3) has its memory in pieces, and keeps it. malloc_trim(3) gives
// whole pages back; it takes some milliseconds for a heap of some ten MiB, and so is called for
// crowds of this size only, when less than half is left, and no more often than this.
constexpr size_t kCrowdConnectionsMin = 512;
constexpr int64_t kTrimIntervalMs = 10'000;

}  // namespace

net::Result<std::unique_ptr<Worker>> Worker::create(WorkerConfig config,
                                                    std::vector<process::WorkerSocket> listeners,
                                                    Settings settings) {
  std::unique_ptr<Worker> worker(new Worker(config));
  if (auto status = worker->set_up(std::move(listeners), std::move(settings)); !status) {
    return tl::unexpected(status.error());
  }
  return worker;
}

net::Status Worker::set_up(std::vector<process::WorkerSocket> listeners, Settings settings) {
  const Options& options = *config_.options;
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return net::fail("eventfd", errno);

  using Operations = std::span<const uint8_t>;
  auto ring =
      net::Ring::open({}, config_.restrict_ring ? Operations(kRingOperations) : Operations());
  if (!ring) return tl::unexpected(ring.error());
  ring_ = std::move(*ring);
  if (auto status = ring_->limit_workers(kDiskThreads, kOtherThreads); !status) {
    spdlog::warn("{}: many slow reads of the disk may keep others waiting",
                 status.error().message());
  }
  auto buffers = net::BufferRing::create(*ring_, kReceiveGroup, kReceiveBuffers,
                                         kReceiveBufferBytes, kReceiveBuffersFirst);
  if (!buffers) return tl::unexpected(buffers.error());
  receive_buffers_ = std::move(*buffers);
  const send::PathInfo& path = send::info_of(options.send_path);
  if (path.needs_buffers) {
    auto pool = send::BufferPool::create(*ring_, kSendBuffers, kSendBufferBytes);
    if (!pool) return tl::unexpected(pool.error());
    send_buffers_ = std::move(*pool);
  }
  pipes_ = std::make_unique<send::PipePool>(config_.pipes_max, kPipeBytes);

  timers_ = std::make_unique<TimerWheel>(0);
  preamble_ = std::make_unique<http::Preamble>("ringserve");
  path_context_.reset(new send::PathContext{*ring_, options.cork, *pipes_, send_buffers_.get(),
                                            runnable_, options.tuning.tuning});
  path_ = send::make_path(options.send_path, *path_context_);
  services_.reset(new Services{
      *ring_, *receive_buffers_, *timers_, *path_, *preamble_, runnable_, to_flush_,
      [this](SlotId id, Search& search, listing::Format format) { list(id, search, format); },
      *config_.tls_notice, path.bodies_from_memory, options.tuning.tuning.memory_body_bytes_max});
  for (process::WorkerSocket& listener : listeners) listeners_.push_back({std::move(listener)});
  return apply(std::move(settings));
}

// At the start and at a reload: everything that may change, or nothing.
net::Status Worker::apply(Settings settings) {
  if (services_->sites == nullptr || services_->sites->generation() != settings.rules->generation) {
    auto sites = Sites::open(settings.rules, config_.limits, &left_to_close_);
    if (!sites) return tl::unexpected(sites.error());
    unwatch_files();
    services_->sites = std::move(*sites);
    watch_files();
  }
  services_->timeouts = settings.timeouts;
  services_->limits = settings.limits;
  services_->close = settings.close;
  if (settings.limits.need_addresses()) {
    connections_.for_each([this](Connection& one) { one.enter_address(*config_.addresses); });
  }
  if (settings.log != settings_.log) {
    services_->log.use(settings.log == nullptr ? nullptr : &settings.log->channel(config_.index));
  }
  settings_ = std::move(settings);
  update_time();
  return {};
}

std::string Worker::features() const { return ring_->features(); }

void Worker::run() {
  update_time();
  await_readable(wake_.get(), pack(Operation::wake));
  while (!services_->draining || connections_.size() > 0 || is_accepting()) turn();
}

void Worker::turn() {
  resume_accepting();
  if (runnable_.empty() && to_flush_.empty()) {
    int64_t wait_ms = timers_->wait_ms(services_->now_ms);
    const auto no_later_than = [&](int64_t when_ms) {
      const int64_t left_ms = std::max<int64_t>(when_ms - services_->now_ms, 1);
      wait_ms = wait_ms < 0 ? left_ms : std::min(wait_ms, left_ms);
    };
    if (accept_paused_until_ms_ > 0) no_later_than(accept_paused_until_ms_);
    if (drain_deadline_ms_ > 0) no_later_than(drain_deadline_ms_);
    if (gauges_stale_) no_later_than(gauges_at_ms_ + kGaugesMs);
    ring_->submit_and_wait(wait_ms < 0 ? std::chrono::nanoseconds(-1)
                                       : std::chrono::milliseconds(wait_ms));
  } else {
    ring_->submit_and_poll();
  }
  update_time();
  gauges_stale_ |= ring_->for_each_completion([this](const io_uring_cqe& cqe) {
    dispatch(cqe);
    if (to_flush_.size() >= kFlushBatch) flush_replies();
  }) > 0;
  run_runnable();
  flush_replies();
  if (!left_to_close_.fds.empty()) close_what_is_left();
  timers_->advance(services_->now_ms, [this](uint32_t slot) {
    Connection* connection = connections_.at_slot(slot);
    if (connection == nullptr) return;
    connection->on_deadline();
    forget_if_finished(*connection);
  });
  if (drain_deadline_ms_ > 0 && services_->now_ms >= drain_deadline_ms_) {
    connections_.for_each([this](Connection& connection) {
      connection.end();
      forget_if_finished(connection);
    });
  }
  services_->log.flush();
}

void Worker::update_time() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  services_->now_ms = now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
  preamble_->set_time(::time(nullptr));
  if (services_->log.is_on()) {
    ::clock_gettime(CLOCK_REALTIME, &now);
    services_->now_us = now.tv_sec * 1'000'000 + now.tv_nsec / 1'000;
  }
  if (services_->now_ms - gauges_at_ms_ >= kGaugesMs) update_gauges();
}

void Worker::update_gauges() {
  gauges_at_ms_ = services_->now_ms;
  gauges_stale_ = false;
  uint64_t files = 0, body_bytes = 0;
  for (const ServedSite& site : services_->sites->all()) {
    files += site.files->cached_files();
    body_bytes += site.files->cached_body_bytes();
    if (const int error = site.files->take_watch_error(); error != 0) report_unwatched(error);
  }
  Statistics& statistics = services_->statistics;
  statistics.cached_files.set(files);
  statistics.cached_body_bytes.set(body_bytes);
  statistics.log_lines_dropped.set(services_->log.dropped());
  statistics.ring_overflows.set(ring_->overflows());
  give_back_memory();
}

void Worker::report_unwatched(int error) {
  if (!config_.watch_notice->due(services_->now_ms)) return;
  spdlog::warn(
      "inotify: {}: files in directories without a watch are looked at twice a second instead; "
      "raise fs.inotify.max_user_watches or fs.inotify.max_user_instances (said once an hour)",
      net::errno_name(error));
}

void Worker::give_back_memory() {
  crowd_ = std::max(crowd_, connections_.size());
  const bool has_left = crowd_ >= kCrowdConnectionsMin && connections_.size() < crowd_ / 2;
  if (!has_left) return;
  if (services_->now_ms - trimmed_at_ms_ < kTrimIntervalMs) {
    gauges_stale_ = true;  // look again, even if nothing happens
    return;
  }
  ::malloc_trim(0);
  crowd_ = connections_.size();
  trimmed_at_ms_ = services_->now_ms;
}

void Worker::dispatch(const io_uring_cqe& cqe) {
  switch (operation_of(cqe.user_data)) {
    case Operation::ignored: return;
    case Operation::accept: return on_accepted(cqe);
    case Operation::wake: return on_wake();
    case Operation::watch: return on_watch(cqe);
    default: return dispatch_to_connection(cqe);
  }
}

void Worker::dispatch_to_connection(const io_uring_cqe& cqe) {
  Connection* connection = connections_.find(slot_of(cqe.user_data));
  // A connection counts its operations and is not destroyed before the last has completed.
  CHECK(connection != nullptr);
  const Operation operation = operation_of(cqe.user_data);
  if (operation == Operation::receive) {
    connection->on_received(cqe);
  } else if (operation == Operation::writable) {
    connection->on_writable();
  } else if (operation == Operation::open_file) {
    connection->on_file_opened(cqe);
  } else {
    const auto tag = static_cast<unsigned>(operation) - send::PathContext::kFirstTag;
    connection->on_path_completed(tag, cqe);
  }
  forget_if_finished(*connection);
}

void Worker::run_runnable() {
  running_.swap(runnable_);
  const bool share = addresses_share();
  turns_.begin_pass();
  for (const uint64_t owner : running_) {
    Connection* connection = connections_.find(slot_of(owner));
    if (connection == nullptr) {
      path_context_->resource_freed();  // it was woken for a buffer: the next one's turn
      continue;
    }
    if (share && !turns_.take(connection->address())) {
      waiting_.push_back(owner);
      continue;
    }
    if (!connection->on_turn()) path_context_->resource_freed();
    forget_if_finished(*connection);
  }
  running_.clear();
  if (waiting_.empty()) return;
  // Who had no turn comes before who wants another.
  waiting_.insert(waiting_.end(), runnable_.begin(), runnable_.end());
  runnable_.swap(waiting_);
  waiting_.clear();
}

// Whether several addresses want a turn, and are to have one each.
bool Worker::addresses_share() const {
  if (!services_->limits.fair_share || running_.size() < 2) return false;
  const auto address_of = [this](uint64_t owner) -> const void* {
    const Connection* connection = connections_.find(slot_of(owner));
    return connection == nullptr ? nullptr : connection->address();
  };
  const void* first = address_of(running_.front());
  return std::any_of(running_.begin() + 1, running_.end(),
                     [&](uint64_t owner) { return address_of(owner) != first; });
}

// By a thread of the kernel's: the last close(2) of a removed file frees its blocks.
void Worker::close_what_is_left() {
  for (net::OwnedFd& fd : left_to_close_.fds) {
    io_uring_sqe* sqe = ring_->next_entry();
    io_uring_prep_close(sqe, fd.release());
    sqe->flags |= IOSQE_ASYNC;
    io_uring_sqe_set_data64(sqe, pack(Operation::ignored));
  }
  left_to_close_.fds.clear();
}

void Worker::flush_replies() {
  flushing_.swap(to_flush_);
  for (const uint64_t owner : flushing_) {
    Connection* connection = connections_.find(slot_of(owner));
    if (connection == nullptr) continue;
    connection->on_flush();
    forget_if_finished(*connection);
  }
  flushing_.clear();
}

void Worker::forget_if_finished(Connection& connection) {
  if (!connection.finished()) return;
  connections_.destroy(connection.id());
  config_.connections->fetch_sub(1, std::memory_order_relaxed);
  accept_paused_until_ms_ = 0;  // its descriptor is free
}

}  // namespace ringserve
