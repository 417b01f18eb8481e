// Starts everything or nothing: every listener is bound and every worker ready before the first
// line is printed. What the main thread does after that is in server_run.cc.
#include "server/server.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>

#include <algorithm>
#include <csignal>
#include <future>

#include "common/net/listener.h"
#include "server/process/user.h"
#include "server/server_impl.h"
#include "server/totals.h"

namespace ringserve {
namespace {

// The directory of the only site, or how many there are.
std::string describe_sites(const std::vector<config::SiteConfig>& sites) {
  if (sites.size() == 1) return sites.front().root;
  return fmt::format("{} sites, first {}", sites.size(), sites.front().root);
}

std::string describe_addresses(const std::vector<net::Address>& addresses) {
  std::string text;
  for (const net::Address& address : addresses) {
    text += (text.empty() ? "" : ", ") + (address.is_unix() ? "" : std::string("http://")) +
            address.text();
  }
  return text;
}

}  // namespace

net::Status Server::start_worker(WorkerConfig config, std::vector<process::WorkerSocket> sockets) {
  std::promise<net::Status> ready;
  std::future<net::Status> outcome = ready.get_future();
  RunningWorker& running = workers_.emplace_back();
  const auto work = [this, &running, config, &ready, &sockets] {
    auto worker = Worker::create(config, std::move(sockets), settings_);
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

net::Status Server::block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // before any thread, which inherits it
  ::signal(SIGPIPE, SIG_IGN);                   // splice(2) knows no MSG_NOSIGNAL
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC));
  stopped_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!signals_.valid() || !stopped_.valid()) return net::fail("signalfd and eventfd", errno);
  return {};
}

net::Status Server::start(std::vector<process::Inherited> inherited) {
  if (auto status = block_signals(); !status) return status;
  if (auto status = listeners_.open(options_, std::move(inherited)); !status) return status;
  const auto budget = share_descriptors(options_, listeners_.count());
  if (!budget) return tl::unexpected(budget.error());
  max_connections_ = budget->max_connections;
  make_room_for_descriptors(*budget);
  if (auto types = files::MediaTypes::load(files::MediaTypes::kSystemFile)) {
    media_types_ = std::move(*types);
  } else {
    fmt::print(stderr, "ringserve: warning: {}; every file is sent as {}\n",
               types.error().message(), files::MediaTypes::kDefault);
  }
  const auto addresses = static_cast<unsigned>(listeners_.addresses().size());
  const unsigned accept_burst_max = net::accept_queue_max(
      std::max(options_.threads * addresses, static_cast<unsigned>(listeners_.count())));
  if (!options_.admin.empty() || !listeners_.admin_addresses().empty()) {
    facts_ = std::make_unique<admin::SystemFacts>(listeners_.addresses());
  }
  // Why there is no ring is told by files of /proc, which a sandbox hides.
  if (auto ring = net::Ring::open({.submissions = 4, .completions = 8}); !ring) {
    return tl::unexpected(ring.error());
  }
  if (auto status = give_up_rights(); !status) return status;
  if (auto status = start_threads(*budget, accept_burst_max); !status) {
    stop_workers();
    return status;
  }
  watchdog_.start(manager_.watchdog_us(), process::Watchdog::Clock::now());
  return {};
}

// What is opened after this is opened with the rights that remain: an access log that can be opened
// now can be opened again on SIGUSR1.
net::Status Server::give_up_rights() {
  if (!options_.user.empty()) {
    const auto user = process::find_user(options_.user);
    if (!user) return tl::unexpected(user.error());
    if (auto status = process::become(*user); !status) return status;
  }
  return sandbox_.enter(options_, listeners_.own_addresses());
}

net::Status Server::start_threads(const Budget& budget, unsigned accept_burst_max) {
  auto settings = settings_maker_.make(options_);
  if (!settings) return tl::unexpected(settings.error());
  settings_ = std::move(*settings);
  auto lister = listing::Lister::start(describe_listing);
  if (!lister) return tl::unexpected(lister.error());
  lister_ = std::move(*lister);
  if (auto status = start_workers(budget, accept_burst_max); !status) return status;
  if (auto status = start_admin(); !status) return status;
  return sandbox_.seal();
}

net::Status Server::start_workers(const Budget& budget, unsigned accept_burst_max) {
  auto sockets = listeners_.for_workers(options_.threads);
  if (!sockets) return tl::unexpected(sockets.error());
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
  config.accept_burst_max = accept_burst_max;
  config.restrict_ring = sandbox_.restricts_rings();
  config.connections = &connections_;
  config.addresses = &client_addresses_;
  config.tls_notice = &tls_notice_;
  config.watch_notice = &watch_notice_;
  workers_.reserve(options_.threads);  // the threads hold references into it
  for (unsigned i = 0; i < options_.threads; ++i) {
    config.index = i;
    if (auto status = start_worker(config, std::move((*sockets)[i])); !status) return status;
  }
  return {};
}

net::Status Server::start_admin() {
  auto sockets = listeners_.for_admin();
  if (!sockets) return tl::unexpected(sockets.error());
  if (sockets->empty()) return {};
  auto admin = admin::Admin::start(std::move(*sockets), [this] { return take_snapshot(); });
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

admin::Snapshot Server::totals() const {
  Totals totals;
  for (const RunningWorker& running : workers_) {
    totals.add(running.worker->statistics(), running.worker->path_counters());
  }
  return totals.snapshot();
}

std::string Server::describe_status() const {
  return fmt::format("serving {} on {}", describe_sites(options_.sites),
                     describe_addresses(listeners_.addresses()));
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
  utsname kernel{};
  ::uname(&kernel);
  const Worker& first = *workers_.front().worker;
  const size_t inherited = listeners_.inherited();
  fmt::print(stderr,
             "ringserve {}: {}{} | {} thread{} | Linux {} | io_uring: {}, multishot "
             "accept and receive, buffer ring | send path {}, cork {} | files: {}\n",
             RINGSERVE_VERSION, describe_status(),
             inherited > 0 ? fmt::format(" ({} inherited)", inherited) : "", options_.threads,
             options_.threads == 1 ? "" : "s", kernel.release, first.features(),
             name_of(options_.send_path), name_of(options_.cork),
             first.watches_files() ? "inotify" : "revalidated twice a second");
  if (options_.send_path == send::PathName::automatic) print_tuning(kernel.release);
  fmt::print(stderr, "ringserve: confinement: {}{}\n",
             options_.user.empty() ? "" : fmt::format("user {}, ", options_.user),
             sandbox_.describe());
  if (!options_.print_listen) return;
  for (const net::Address& address : listeners_.addresses()) {
    fmt::print("listening {}\n", address.text());
  }
  for (const net::Address& address : listeners_.admin_addresses()) {
    fmt::print("admin {}\n", address.text());
  }
  std::fflush(stdout);
}

void Server::announce() {
  listeners_.take_over();
  manager_.ready(describe_status());
  print_ready();
}

void Server::stop_workers() {
  for (RunningWorker& running : workers_) running.worker->request_drain(Drain::at_once);
  for (RunningWorker& running : workers_) running.thread.join();
  workers_.clear();
}

namespace {

int report(process::Predecessor& predecessor, const net::Error& error) {
  fmt::print(stderr, "ringserve: error: {}\n", error.message());
  predecessor.say_why_not(error.message());
  return kExitFailed;
}

}  // namespace

int serve(const Options& options, char** arguments) {
  process::Predecessor predecessor = process::Predecessor::from_environment();
  auto starter = process::Starter::fork_off(arguments);
  if (!starter) return report(predecessor, starter.error());
  auto inherited = process::take_inherited();
  if (!inherited) return report(predecessor, inherited.error());
  auto manager = process::ServiceManager::from_environment();
  if (!manager) return report(predecessor, manager.error());
  spdlog::set_default_logger(spdlog::stderr_color_mt("ringserve"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  Server server(options, std::move(*manager), std::move(*starter));
  if (const auto status = server.start(std::move(*inherited)); !status) {
    return report(predecessor, status.error());
  }
  if (const auto status = predecessor.say_ready(); !status) {
    server.stop_workers();
    return report(predecessor, status.error());
  }
  server.announce();
  return server.run_until_end();
}

}  // namespace ringserve
