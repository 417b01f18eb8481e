// The server as the main thread has it: what it starts (server.cc), and what it does with signals
// until the end (server_run.cc).
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/net/owned_fd.h"
#include "server/admin/admin.h"
#include "server/admin/system_facts.h"
#include "server/budget.h"
#include "server/listing/lister.h"
#include "server/notice.h"
#include "server/options.h"
#include "server/process/listeners.h"
#include "server/process/sandbox.h"
#include "server/process/service_manager.h"
#include "server/process/starter.h"
#include "server/process/watchdog.h"
#include "server/settings.h"
#include "server/worker.h"

namespace ringserve {

constexpr int kExitFailed = 1;

// A worker and its thread. The thread makes the worker, since a ring has a single issuer.
struct RunningWorker {
  std::unique_ptr<Worker> worker;
  std::thread thread;
};

// A successor that has been started and has not said yet that it serves.
struct Upgrade {
  process::Starter::Started started;
  std::chrono::steady_clock::time_point give_up_at;
};

class Server {
 public:
  Server(const Options& options, process::ServiceManager manager,
         std::unique_ptr<process::Starter> starter)
      : options_(options), manager_(std::move(manager)), starter_(std::move(starter)) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  net::Status start(std::vector<process::Inherited> inherited);
  // Tells the service manager, and people, that this server serves.
  void announce();
  int run_until_end();
  void stop_workers();

 private:
  enum class Next { go_on, drain, hand_over };

  net::Status block_signals();
  net::Status start_worker(WorkerConfig config, std::vector<process::WorkerSocket> sockets);
  net::Status give_up_rights();
  net::Status start_threads(const Budget& budget, unsigned accept_burst_max);
  net::Status start_workers(const Budget& budget, unsigned accept_burst_max);
  net::Status start_admin();
  admin::Snapshot take_snapshot();
  admin::Snapshot totals() const;
  std::string describe_status() const;
  void print_tuning(std::string_view kernel_release) const;
  void print_ready() const;

  Next wait_for_event();
  Next on_signal(int signal);
  void reload();
  void begin_upgrade();
  Next on_readiness();
  void abandon_upgrade(const std::string& why);
  void start_draining(Next why);
  void watch_workers();
  int patience_ms() const;
  int wait_for_end();
  void print_summary() const;

  Options options_;
  process::ServiceManager manager_;
  std::unique_ptr<process::Starter> starter_;
  process::Listeners listeners_;
  process::Sandbox sandbox_;
  net::OwnedFd signals_, stopped_;
  files::MediaTypes media_types_;
  std::atomic<uint64_t> connections_ = 0;
  clients::Addresses client_addresses_;
  Notice tls_notice_, watch_notice_;
  SettingsMaker settings_maker_{media_types_};
  Settings settings_;
  uint64_t max_connections_ = 0;
  std::atomic<uint64_t> reloads_ = 0, reload_failures_ = 0, sites_ = 1;
  std::atomic<bool> draining_ = false;
  std::chrono::steady_clock::time_point started_at_ = std::chrono::steady_clock::now();
  std::unique_ptr<Upgrade> upgrade_;  // null: none is under way
  int ending_signal_ = 0;
  std::unique_ptr<admin::SystemFacts> facts_;
  std::vector<RunningWorker> workers_;
  process::Watchdog watchdog_;
  // Threads that call into the above; they end first.
  std::unique_ptr<listing::Lister> lister_;
  std::unique_ptr<admin::Admin> admin_;
};

}  // namespace ringserve
