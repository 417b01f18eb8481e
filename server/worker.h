// One thread: its ring, its listeners, its connections, its file cache. Workers share nothing that
// is written while serving but the count of connections, of all and of each address, touched when
// one opens or closes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/net/owned_fd.h"
#include "server/clients/turns.h"
#include "server/connection.h"
#include "server/options.h"
#include "server/process/listeners.h"
#include "server/send/path.h"
#include "server/services.h"
#include "server/settings.h"
#include "server/slots.h"

namespace ringserve {

struct WorkerConfig {
  const Options* options = nullptr;   // outlives the worker; what cannot change
  unsigned index = 0;                 // of this worker: its channel of the access log
  SiteLimits limits;                  // this worker's share
  listing::Lister* lister = nullptr;  // outlives the workers' run
  unsigned pipes_max = 1;
  uint64_t accept_burst_max = 0;  // connections that one multishot accept may take at once
  uint64_t max_connections = 1;   // of all workers together
  std::atomic<uint64_t>* connections = nullptr;  // of all workers together
  clients::Addresses* addresses = nullptr;       // the same; outlives the workers
  Notice* tls_notice = nullptr;                  // the same
  bool restrict_ring = false;                    // to the operations that are used
  Notice* watch_notice = nullptr;                // the same
};

enum class Drain {
  at_once,      // idle connections are closed, who waits in the accept queue is served
  handed_over,  // a successor has the listeners; idle connections get one more reply, which says
                // that it is the last: none is closed while its client may be asking
};

class Worker {
 public:
  // Made and run by one thread, the ring's single issuer; destroyed when that thread has ended.
  static net::Result<std::unique_ptr<Worker>> create(WorkerConfig config,
                                                     std::vector<process::WorkerSocket> listeners,
                                                     Settings settings);

  // Serves until drain() was called and every connection is gone.
  void run();

  // These from any thread.
  // No new connections; the running responses may take --drain-timeout-s.
  void request_drain(Drain how);
  // For all requests that are not answered yet. Where the sites cannot be opened, the old ones
  // stay, which the log says.
  void request_reload(Settings settings);

  // To be counted by signs_of_life() when the worker's turn has come.
  void request_sign_of_life();
  uint64_t signs_of_life() const { return signs_of_life_.load(); }

  std::string features() const;
  bool watches_files() const { return services_->sites->main().files->watch_fd() >= 0; }
  const Statistics& statistics() const { return services_->statistics; }
  const send::Counters& path_counters() const { return path_context_->counters; }

 private:
  struct Listener {
    process::WorkerSocket listener;
    bool armed = false;
    bool multishot = false;
  };

  using Letter = std::function<void(Worker&)>;  // something to do in the worker's thread

  explicit Worker(WorkerConfig config) : config_(config) {}
  net::Status set_up(std::vector<process::WorkerSocket> listeners, Settings settings);
  net::Status apply(Settings settings);

  void turn();
  void update_time();
  void dispatch(const io_uring_cqe& cqe);
  void dispatch_to_connection(const io_uring_cqe& cqe);
  void run_runnable();
  bool addresses_share() const;
  void flush_replies();
  void close_what_is_left();
  void forget_if_finished(Connection& connection);

  void resume_accepting();
  void arm_accept(uint32_t index);
  void cancel_accept(uint32_t index);
  bool is_accepting() const;
  uint64_t free_connections() const;
  void on_accepted(const io_uring_cqe& cqe);
  void add_connection(int socket, bool is_tcp);
  void refuse(net::OwnedFd socket, const clients::Prefix& client);
  void await_readable(int fd, uint64_t user_data);
  void watch_files();
  void unwatch_files();
  void on_watch(const io_uring_cqe& cqe);
  void post(Letter letter);
  void on_wake();
  size_t shed_descriptors();
  void update_gauges();
  void report_unwatched(int error);
  void give_back_memory();
  void on_listed(SlotId id, const listing::Listing& listing);
  void list(SlotId id, Search& search, listing::Format format);
  void start_draining(Drain how);
  void serve_accept_queue(Listener& listener);
  void leave_listener(Listener& listener);

  // Destroyed from the bottom up: everything that names the ring goes before it.
  WorkerConfig config_;
  net::OwnedFd wake_;
  std::atomic<bool> drain_requested_ = false;
  std::atomic<uint64_t> signs_of_life_ = 0;
  std::mutex letters_mutex_;
  std::vector<Letter> letters_;
  std::unique_ptr<net::Ring> ring_;
  std::unique_ptr<net::BufferRing> receive_buffers_;
  std::unique_ptr<send::BufferPool> send_buffers_;
  std::unique_ptr<send::PipePool> pipes_;
  std::unique_ptr<TimerWheel> timers_;
  std::unique_ptr<http::Preamble> preamble_;
  files::LeftToClose left_to_close_;
  std::vector<uint64_t> runnable_, running_, waiting_, to_flush_, flushing_;
  clients::Turns turns_;
  std::unique_ptr<send::PathContext> path_context_;
  std::unique_ptr<send::Path> path_;
  std::unique_ptr<Services> services_;
  std::vector<Listener> listeners_;
  SlotTable<Connection> connections_;
  int64_t accept_paused_until_ms_ = 0;
  int64_t drain_deadline_ms_ = 0;
  Settings settings_;
  int64_t refusals_said_at_ms_ = 0;
  uint64_t refusals_unsaid_ = 0;
  size_t crowd_ = 0;  // the most connections since memory was given back
  int64_t trimmed_at_ms_ = 0;
  int64_t gauges_at_ms_ = 0;
  bool gauges_stale_ = true;
};

}  // namespace ringserve
