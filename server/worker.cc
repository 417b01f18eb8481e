// The loop: wait for completions, hand each to its connection, give a turn to those that asked for
// one, look at the timers, accept again if accepting had to pause. Nothing in a turn may block.
#include "server/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "common/check.h"
#include "server/operation.h"

namespace ringserve {
namespace {

// Enough for a burst of completions; an idle connection owns none of them. When they run out,
// receives end with ENOBUFS and are armed again.
constexpr unsigned kReceiveBuffers = 256;
constexpr unsigned kReceiveBufferBytes = 4096;
constexpr uint16_t kReceiveGroup = 0;

constexpr unsigned kSendBuffers = 64;
constexpr uint32_t kSendBufferBytes = 64 * 1024;
constexpr uint32_t kPipeBytes = 1 << 20;  // fs.pipe-max-size's default

// So many connections' replies are gathered before they are sent in a row: one wake-up of a client
// process for all of them, and still warm in the cache (bench/versus/run --workloads pipelined:
// 0.49 us a request with 8, 0.52 with 1000, 0.51 with 2).
constexpr size_t kFlushBatch = 8;

// With no descriptor left, accepting pauses until a connection closes, or this long: the
// descriptors may be another process's to give back.
constexpr int64_t kAcceptPauseMs = 250;

}  // namespace

net::Result<std::unique_ptr<Worker>> Worker::create(WorkerConfig config,
                                                    std::vector<WorkerListener> listeners) {
  std::unique_ptr<Worker> worker(new Worker(config));
  if (auto status = worker->set_up(std::move(listeners)); !status) {
    return tl::unexpected(status.error());
  }
  return worker;
}

net::Status Worker::set_up(std::vector<WorkerListener> listeners) {
  const Options& options = *config_.options;
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) return net::fail("eventfd", errno);

  auto ring = net::Ring::open({});
  if (!ring) return tl::unexpected(ring.error());
  ring_ = std::move(*ring);
  auto buffers =
      net::BufferRing::create(*ring_, kReceiveGroup, kReceiveBuffers, kReceiveBufferBytes);
  if (!buffers) return tl::unexpected(buffers.error());
  receive_buffers_ = std::move(*buffers);
  const send::PathInfo& path = send::info_of(options.send_path);
  if (path.needs_buffers) {
    auto pool = send::BufferPool::create(*ring_, kSendBuffers, kSendBufferBytes);
    if (!pool) return tl::unexpected(pool.error());
    send_buffers_ = std::move(*pool);
  }
  pipes_ = std::make_unique<send::PipePool>(config_.pipes_max, kPipeBytes);

  files::SiteOptions site_options;
  site_options.root = options.root;
  site_options.index_names = options.index_names;
  site_options.follow_symlinks = options.follow_symlinks;
  site_options.open_files_max = config_.open_files;
  site_options.memory_cache_bytes = path.bodies_from_memory ? config_.memory_cache_bytes : 0;
  site_options.memory_body_bytes_max = options.tuning.tuning.memory_body_bytes_max;
  site_options.media_types = config_.media_types;
  site_options.describe = [](const files::File& file, std::string_view content_type) {
    return http::entity_fields(content_type, file.mtime_s, file.etag);
  };
  auto site = files::Site::open(std::move(site_options));
  if (!site) return tl::unexpected(site.error());
  site_ = std::move(*site);

  timers_ = std::make_unique<TimerWheel>(0);
  preamble_ = std::make_unique<http::Preamble>("ringserve");
  path_context_.reset(new send::PathContext{*ring_, options.cork, *pipes_, send_buffers_.get(),
                                            runnable_, options.tuning.tuning});
  path_ = send::make_path(options.send_path, *path_context_);
  const Timeouts timeouts{int64_t{1000} * options.header_timeout_s,
                          int64_t{1000} * options.idle_timeout_s,
                          int64_t{1000} * options.send_timeout_s};
  services_.reset(new Services{*ring_, *receive_buffers_, *timers_, *site_, *path_, *preamble_,
                               runnable_, to_flush_, timeouts, path.bodies_from_memory,
                               options.tuning.tuning.memory_body_bytes_max, options.hidden});
  for (WorkerListener& listener : listeners) listeners_.push_back({std::move(listener)});
  return {};
}

std::string Worker::features() const { return ring_->features(); }

void Worker::run() {
  update_time();
  await_readable(wake_.get(), Operation::wake);
  if (site_->watch_fd() >= 0) await_readable(site_->watch_fd(), Operation::watch);
  while (!services_->draining || connections_.size() > 0 || is_accepting()) turn();
}

bool Worker::is_accepting() const {
  return std::any_of(listeners_.begin(), listeners_.end(),
                     [](const Listener& listener) { return listener.armed; });
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
    ring_->submit_and_wait(wait_ms < 0 ? std::chrono::nanoseconds(-1)
                                       : std::chrono::milliseconds(wait_ms));
  } else {
    ring_->submit_and_poll();
  }
  update_time();
  ring_->for_each_completion([this](const io_uring_cqe& cqe) {
    dispatch(cqe);
    if (to_flush_.size() >= kFlushBatch) flush_replies();
  });
  run_runnable();
  flush_replies();
  timers_->advance(services_->now_ms, [this](uint32_t slot) {
    Connection* connection = connections_.at_slot(slot);
    if (connection == nullptr) return;
    connection->on_deadline();
    forget_if_finished(*connection);
  });
  if (drain_deadline_ms_ > 0 && services_->now_ms >= drain_deadline_ms_) {
    connections_.for_each([this](Connection& connection) {
      connection.abort();
      forget_if_finished(connection);
    });
  }
}

void Worker::update_time() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  services_->now_ms = now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
  preamble_->set_time(::time(nullptr));
}

void Worker::dispatch(const io_uring_cqe& cqe) {
  switch (operation_of(cqe.user_data)) {
    case Operation::ignored: return;
    case Operation::accept: return on_accepted(cqe);
    case Operation::wake: return on_wake();
    case Operation::watch:
      site_->on_watch_events();
      return await_readable(site_->watch_fd(), Operation::watch);
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
  for (const uint64_t owner : running_) {
    Connection* connection = connections_.find(slot_of(owner));
    if (connection == nullptr) {
      path_context_->resource_freed();  // it was woken for a buffer: the next one's turn
      continue;
    }
    if (!connection->on_turn()) path_context_->resource_freed();
    forget_if_finished(*connection);
  }
  running_.clear();
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

// --- accepting ---

void Worker::resume_accepting() {
  if (services_->draining) return;
  if (accept_paused_until_ms_ > services_->now_ms) return;
  accept_paused_until_ms_ = 0;
  for (uint32_t index = 0; index < listeners_.size(); ++index) {
    if (listeners_[index].armed) continue;
    if (free_connections() == 0) {
      accept_paused_until_ms_ = services_->now_ms + kAcceptPauseMs;
      return;
    }
    arm_accept(index);
  }
}

uint64_t Worker::free_connections() const {
  const uint64_t open = config_.connections->load(std::memory_order_relaxed);
  return config_.max_connections > open ? config_.max_connections - open : 0;
}

void Worker::arm_accept(uint32_t index) {
  Listener& listener = listeners_[index];
  // A multishot accept takes all that is queued before anybody can count: near the limit, and on
  // a socket that workers share, one at a time. (On a shared socket a multishot accept would also
  // keep its place at the head of the wait queue and get every connection.)
  const bool one_at_a_time =
      listener.listener.shared || free_connections() <= config_.accept_burst_max;
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;  // sendfile and splice know no MSG_DONTWAIT
  io_uring_sqe* sqe = ring_->next_entry();
  const int fd = listener.listener.socket.get();
  if (one_at_a_time) {
    io_uring_prep_accept(sqe, fd, nullptr, nullptr, kFlags);
  } else {
    io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, kFlags);
  }
  io_uring_sqe_set_data64(sqe, pack(Operation::accept, {index, 1}));
  listener.armed = true;
  listener.multishot = !one_at_a_time;
}

void Worker::cancel_accept(uint32_t index) {
  ring_->cancel(pack(Operation::accept, {index, 1}), pack(Operation::ignored));
}

void Worker::on_accepted(const io_uring_cqe& cqe) {
  const uint32_t index = slot_of(cqe.user_data).slot;
  Listener& listener = listeners_[index];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) listener.armed = false;
  if (cqe.res >= 0) {
    add_connection(cqe.res, listener.listener.is_tcp);
    const bool near_limit = free_connections() <= config_.accept_burst_max;
    if (near_limit && listener.armed && listener.multishot) cancel_accept(index);
    return;
  }
  const int error = -cqe.res;
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
    const size_t shed = site_->shed_descriptors();
    spdlog::warn(
        "accept: {}: paused until a descriptor is free ({} connections, {} cached files closed); "
        "raise RLIMIT_NOFILE or lower --max-connections",
        net::errno_name(error), connections_.size(), shed);
    accept_paused_until_ms_ = services_->now_ms + kAcceptPauseMs;
  } else if (error != ECANCELED && error != ECONNABORTED && error != EINTR) {
    spdlog::warn("accept: {}", net::errno_name(error));
    accept_paused_until_ms_ = services_->now_ms + kAcceptPauseMs;
  }
}

void Worker::add_connection(int socket, bool is_tcp) {
  config_.connections->fetch_add(1, std::memory_order_relaxed);
  connections_.create(*services_, socket, is_tcp).start();
}

// --- what comes from outside of the ring ---

void Worker::await_readable(int fd, Operation operation) {
  io_uring_sqe* sqe = ring_->next_entry();
  io_uring_prep_poll_add(sqe, fd, POLLIN);
  io_uring_sqe_set_data64(sqe, pack(operation));
}

void Worker::request_drain() {
  drain_requested_.store(true);
  const uint64_t one = 1;
  // The counter of an eventfd cannot be full here: nobody else writes to it.
  CHECK(::write(wake_.get(), &one, sizeof one) == sizeof one);
}

void Worker::on_wake() {
  uint64_t count = 0;
  if (::read(wake_.get(), &count, sizeof count) < 0 && errno != EAGAIN) {
    spdlog::error("read of the wake-up eventfd: {}", net::errno_name(errno));
  }
  if (drain_requested_.load() && !services_->draining) start_draining();
  await_readable(wake_.get(), Operation::wake);
}

// Clients that were waiting in the accept queue are still served; closing the listener would reset
// them (tcp(7)).
void Worker::start_draining() {
  services_->draining = true;
  drain_deadline_ms_ =
      services_->now_ms + std::max<int64_t>(int64_t{1000} * config_.options->drain_timeout_s, 1);
  connections_.for_each([this](Connection& connection) {
    connection.drain();
    forget_if_finished(connection);
  });
  for (uint32_t index = 0; index < listeners_.size(); ++index) {
    Listener& listener = listeners_[index];
    const int fd = listener.listener.socket.get();
    if (listener.armed) cancel_accept(index);
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
      int socket = -1;
      while ((socket = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        add_connection(socket, listener.listener.is_tcp);
      }
    }
    listener.listener.socket.reset();
  }
}

}  // namespace ringserve
