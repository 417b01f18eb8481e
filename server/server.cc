// Starts everything or nothing: every listener is bound and every worker ready before the first
// line is printed. The main thread then only waits for signals: SIGTERM and SIGINT end, SIGHUP
// reads the configuration again, SIGUSR1 opens the access log again.
#include "server/server.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <thread>

#include "common/net/listener.h"
#include "server/admin/admin.h"
#include "server/admin/system_facts.h"
#include "server/budget.h"
#include "server/config/reload.h"
#include "server/listing/lister.h"
#include "server/totals.h"
#include "server/worker.h"

namespace ringserve {
namespace {

constexpr int kExitFailed = 1;

// The directory of the only site, or how many there are.
std::string describe_sites(const std::vector<config::SiteConfig>& sites) {
  if (sites.size() == 1) return sites.front().root;
  return fmt::format("{} sites, first {}", sites.size(), sites.front().root);
}

// A worker and its thread. The thread makes the worker, since a ring has a single issuer.
struct RunningWorker {
  std::unique_ptr<Worker> worker;
  std::thread thread;
};

class Server {
 public:
  explicit Server(const Options& options) : options_(options) {}
  ~Server() {
    remove_unix_sockets();
    for (const net::Address& address : admin_addresses_) {
      if (address.is_unix()) ::unlink(address.unix_path().c_str());
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  net::Status start();
  int run_until_end();
  void print_ready() const;

 private:
  void print_tuning(std::string_view kernel_release) const;
  net::Status open_listeners(std::vector<std::vector<WorkerListener>>& per_worker);
  net::Status start_worker(WorkerConfig config, std::vector<WorkerListener> listeners);
  net::Status start_workers(const Budget& budget,
                            std::vector<std::vector<WorkerListener>> listeners);
  net::Status open_admin_listeners();
  net::Status start_admin();
  void reload();
  admin::Snapshot take_snapshot();
  admin::Snapshot totals() const;
  int wait_for_end();
  void stop_workers();
  void print_summary() const;
  void remove_unix_sockets();

  Options options_;
  net::OwnedFd signals_, stopped_;
  files::MediaTypes media_types_;
  std::atomic<uint64_t> connections_ = 0;
  clients::Addresses client_addresses_;
  Notice tls_notice_;
  std::vector<net::Address> addresses_, admin_addresses_;
  std::vector<net::OwnedFd> admin_listeners_;  // until the administrator's thread has them
  SettingsMaker settings_maker_{media_types_};
  Settings settings_;
  uint64_t max_connections_ = 0;
  std::atomic<uint64_t> reloads_ = 0, reload_failures_ = 0, sites_ = 1;
  std::atomic<bool> draining_ = false;
  std::chrono::steady_clock::time_point started_at_ = std::chrono::steady_clock::now();
  std::unique_ptr<admin::SystemFacts> facts_;
  std::vector<RunningWorker> workers_;
  // Threads that call into the above; they end first.
  std::unique_ptr<listing::Lister> lister_;
  std::unique_ptr<admin::Admin> admin_;
};

net::Status Server::open_listeners(std::vector<std::vector<WorkerListener>>& per_worker) {
  per_worker.resize(options_.threads);
  for (const net::Address& wanted : options_.listen) {
    auto group = net::listen_on(wanted, options_.threads, options_.congestion);
    if (!group) return tl::unexpected(group.error());
    addresses_.push_back(group->address);
    const bool is_unix = wanted.is_unix();
    for (unsigned i = 0; i < options_.threads; ++i) {
      per_worker[i].push_back(
          {std::move(group->sockets[i]), !is_unix, is_unix && options_.threads > 1});
    }
  }
  return {};
}

net::Status Server::start_worker(WorkerConfig config, std::vector<WorkerListener> listeners) {
  std::promise<net::Status> ready;
  std::future<net::Status> outcome = ready.get_future();
  RunningWorker& running = workers_.emplace_back();
  const auto work = [this, &running, config, &ready, &listeners] {
    auto worker = Worker::create(config, std::move(listeners), settings_);
    if (!worker) return ready.set_value(tl::unexpected(worker.error()));
    running.worker = std::move(*worker);
    Worker& self = *running.worker;
    ready.set_value({});  // nothing that start_worker() owns may be touched after this
    self.run();
    const uint64_t one = 1;
    CHECK(::write(stopped_.get(), &one, sizeof one) == sizeof one);
  };
  try {
    running.thread = std::thread(work);
  } catch (const std::system_error& error) {
    workers_.pop_back();
    return net::fail("start a worker thread", error.code().value(),
                     "raise RLIMIT_NPROC (ulimit -u), or lower --threads");
  }
  const net::Status status = outcome.get();
  if (!status) {
    running.thread.join();
    workers_.pop_back();
  }
  return status;
}

net::Status Server::start() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // before any thread, which inherits it
  ::signal(SIGPIPE, SIG_IGN);                   // splice(2) knows no MSG_NOSIGNAL
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC));
  stopped_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!signals_.valid() || !stopped_.valid()) return net::fail("signalfd and eventfd", errno);

  const auto budget = share_descriptors(options_);
  if (!budget) return tl::unexpected(budget.error());
  max_connections_ = budget->max_connections;
  if (auto types = files::MediaTypes::load(files::MediaTypes::kSystemFile)) {
    media_types_ = std::move(*types);
  } else {
    fmt::print(stderr, "ringserve: warning: {}; every file is sent as {}\n",
               types.error().message(), files::MediaTypes::kDefault);
  }
  std::vector<std::vector<WorkerListener>> listeners;
  if (auto status = open_listeners(listeners); !status) return status;
  auto settings = settings_maker_.make(options_);
  if (!settings) return tl::unexpected(settings.error());
  settings_ = std::move(*settings);
  auto lister = listing::Lister::start(describe_listing);
  if (!lister) return tl::unexpected(lister.error());
  lister_ = std::move(*lister);
  if (auto status = open_admin_listeners(); !status) return status;
  if (auto status = start_workers(*budget, std::move(listeners)); !status) return status;
  if (auto status = start_admin(); !status) {
    stop_workers();
    return status;
  }
  return {};
}

net::Status Server::start_workers(const Budget& budget,
                                  std::vector<std::vector<WorkerListener>> listeners) {
  WorkerConfig config;
  config.options = &options_;
  config.limits.open_files = std::max<uint64_t>(budget.open_files / options_.threads, 1);
  config.limits.memory_cache_bytes = send::info_of(options_.send_path).bodies_from_memory
                                         ? options_.memory_cache_bytes / options_.threads
                                         : 0;
  config.limits.memory_body_bytes_max = options_.tuning.tuning.memory_body_bytes_max;
  config.lister = lister_.get();
  config.pipes_max = budget.pipes_per_worker;
  config.max_connections = budget.max_connections;
  config.accept_burst_max =
      net::accept_queue_max(options_.threads * static_cast<unsigned>(options_.listen.size()));
  config.connections = &connections_;
  config.addresses = &client_addresses_;
  config.tls_notice = &tls_notice_;
  workers_.reserve(options_.threads);  // the threads hold references into it
  for (unsigned i = 0; i < options_.threads; ++i) {
    config.index = i;
    if (auto status = start_worker(config, std::move(listeners[i])); !status) {
      stop_workers();
      return status;
    }
  }
  return {};
}

// SIGHUP. A mistake anywhere leaves everything as it was.
void Server::reload() {
  const auto fail = [this](std::string_view why) {
    reload_failures_.fetch_add(1);
    spdlog::error("SIGHUP: {}; the running configuration stays", why);
  };
  if (options_.config_path.empty()) {
    return fail("nothing to read again: the server was started without --config");
  }
  auto wanted = config::reload(options_);
  if (!wanted) return fail(wanted.error().message());
  if (auto budget = share_descriptors(*wanted); !budget) return fail(budget.error().message());
  auto settings = settings_maker_.make(*wanted);
  if (!settings) return fail(settings.error().message());
  reloads_.fetch_add(1);
  for (const std::string& name : config::needs_restart(options_, *wanted)) {
    spdlog::warn("SIGHUP: {} has changed, which takes effect at the next start only", name);
  }
  settings_ = std::move(*settings);
  sites_.store(wanted->sites.size());
  config::take_over(*wanted, options_);
  for (RunningWorker& running : workers_) running.worker->request_reload(settings_);
  spdlog::info("SIGHUP: {} read, {} site{}", options_.config_path, options_.sites.size(),
               options_.sites.size() == 1 ? "" : "s");
}

net::Status Server::open_admin_listeners() {
  for (const net::Address& wanted : options_.admin) {
    auto group = net::listen_on(wanted, 1);
    if (!group) return tl::unexpected(group.error());
    admin_addresses_.push_back(group->address);
    admin_listeners_.push_back(std::move(group->sockets.front()));
  }
  return {};
}

net::Status Server::start_admin() {
  if (admin_listeners_.empty()) return {};
  facts_ = std::make_unique<admin::SystemFacts>(addresses_);
  auto admin = admin::Admin::start(std::move(admin_listeners_), [this] { return take_snapshot(); });
  if (!admin) return tl::unexpected(admin.error());
  admin_ = std::move(*admin);
  return {};
}

// Called by the administrator's thread: reads counters, waits for nobody.
admin::Snapshot Server::take_snapshot() {
  admin::Snapshot snapshot = totals();
  snapshot.version = RINGSERVE_VERSION;
  snapshot.send_path = name_of(options_.send_path);
  snapshot.uptime_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started_at_).count();
  snapshot.draining = draining_.load();
  snapshot.threads = options_.threads;
  snapshot.sites = static_cast<unsigned>(sites_.load());
  snapshot.config_reloads = reloads_.load();
  snapshot.config_reload_failures += reload_failures_.load();
  snapshot.connections_open = connections_.load();
  snapshot.connections_max = max_connections_;
  snapshot.client_addresses = client_addresses_.count(clients::monotonic_ns());
  facts_->fill(snapshot);
  return snapshot;
}

void Server::print_tuning(std::string_view kernel_release) const {
  const send::NamedTuning& tuning = options_.tuning;
  fmt::print(stderr, "ringserve: tuning {}\n", send::describe(tuning));
  if (tuning.is_file && tuning.measured.kernel != kernel_release) {
    fmt::print(stderr,
               "ringserve: warning: {} was measured on Linux {}, this is Linux {}; run "
               "bench/paths --tuning FILE again\n",
               tuning.name, tuning.measured.kernel, kernel_release);
  }
}

void Server::print_ready() const {
  std::string addresses;
  for (const net::Address& address : addresses_) {
    addresses += (addresses.empty() ? "" : ", ") +
                 (address.is_unix() ? "" : std::string("http://")) + address.text();
  }
  utsname kernel{};
  ::uname(&kernel);
  const Worker& first = *workers_.front().worker;
  fmt::print(stderr,
             "ringserve {}: serving {} on {} | {} thread{} | Linux {} | io_uring: {}, multishot "
             "accept and receive, buffer ring | send path {}, cork {} | files: {}\n",
             RINGSERVE_VERSION, describe_sites(options_.sites), addresses, options_.threads,
             options_.threads == 1 ? "" : "s", kernel.release, first.features(),
             name_of(options_.send_path), name_of(options_.cork),
             first.watches_files() ? "inotify" : "revalidated twice a second");
  if (options_.send_path == send::PathName::automatic) print_tuning(kernel.release);
  if (!options_.print_listen) return;
  for (const net::Address& address : addresses_) fmt::print("listening {}\n", address.text());
  for (const net::Address& address : admin_addresses_) fmt::print("admin {}\n", address.text());
  std::fflush(stdout);
}

void Server::stop_workers() {
  for (RunningWorker& running : workers_) running.worker->request_drain();
  for (RunningWorker& running : workers_) running.thread.join();
}

// Until every worker has stopped, or a second signal.
int Server::wait_for_end() {
  uint64_t stopped = 0;
  while (stopped < workers_.size()) {
    pollfd events[] = {{signals_.get(), POLLIN, 0}, {stopped_.get(), POLLIN, 0}};
    if (::poll(events, 2, -1) < 0) continue;
    if ((events[0].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
      if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR1) continue;  // too late
      std::_Exit(128 + static_cast<int>(info.ssi_signo));
    }
    uint64_t count = 0;
    if (::read(stopped_.get(), &count, sizeof count) == sizeof count) stopped += count;
  }
  for (RunningWorker& running : workers_) running.thread.join();
  return 0;
}

int Server::run_until_end() {
  signalfd_siginfo info{};
  for (;;) {
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) {
      if (errno == EINTR) continue;
      fmt::print(stderr, "ringserve: error: read of signalfd: {}\n", net::errno_name(errno));
      return kExitFailed;
    }
    if (info.ssi_signo == SIGHUP) {
      reload();
    } else if (info.ssi_signo == SIGUSR1) {
      if (settings_.log != nullptr) settings_.log->reopen();
    } else {
      break;
    }
  }
  draining_.store(true);
  const uint64_t open = connections_.load();
  spdlog::info("{}: draining {} connection{} for at most {} s; a second signal ends at once",
               info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", open, open == 1 ? "" : "s",
               options_.drain_timeout_s);
  // Now, not at the end: a successor may bind the same paths while this server drains.
  remove_unix_sockets();
  for (RunningWorker& running : workers_) running.worker->request_drain();
  const int status = wait_for_end();
  print_summary();
  return status;
}

admin::Snapshot Server::totals() const {
  Totals totals;
  for (const RunningWorker& running : workers_) {
    totals.add(running.worker->statistics(), running.worker->path_counters());
  }
  return totals.snapshot();
}

void Server::print_summary() const { spdlog::info("{}", summary_of(totals())); }

void Server::remove_unix_sockets() {
  for (const net::Address& address : addresses_) {
    if (address.is_unix()) ::unlink(address.unix_path().c_str());
  }
  addresses_.clear();
}

}  // namespace

int serve(const Options& options) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("ringserve"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  Server server(options);
  if (const auto status = server.start(); !status) {
    fmt::print(stderr, "ringserve: error: {}\n", status.error().message());
    return kExitFailed;
  }
  server.print_ready();
  return server.run_until_end();
}

}  // namespace ringserve
