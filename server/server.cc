// Starts everything or nothing: every listener is bound and every worker ready before the first
// line is printed. The main thread then only waits for signals.
#include "server/server.h"

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>

#include <algorithm>
#include <csignal>
#include <future>
#include <thread>

#include "common/net/listener.h"
#include "server/worker.h"

namespace ringserve {
namespace {

constexpr int kExitFailed = 1;

// Descriptors that are neither connections nor cached files.
constexpr uint64_t kDescriptorsFixed = 16;      // stdio, signals, libraries
constexpr uint64_t kDescriptorsPerWorker = 12;  // ring, eventfd, inotify, root, files being opened
constexpr unsigned kPipesPerWorkerMax = 32;
constexpr unsigned kPipesMax = 48;  // of 1 MiB: fs.pipe-user-pages-soft allows a user 64 MiB
constexpr uint64_t kOpenFilesMin = 8;
constexpr uint64_t kOpenFilesDefaultMax = 65536;

struct Budget {
  uint64_t max_connections = 0;
  uint64_t open_files = 0;
  unsigned pipes_per_worker = 0;
};

// Shares RLIMIT_NOFILE, raised to its hard limit, among connections, cached files and pipes.
net::Result<Budget> share_descriptors(const Options& options) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("getrlimit RLIMIT_NOFILE", errno);
  if (limit.rlim_cur != limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("setrlimit RLIMIT_NOFILE", errno);
  }
  const uint64_t total = std::min<uint64_t>(limit.rlim_max, uint64_t{1} << 30);
  Budget budget;
  budget.pipes_per_worker = static_cast<unsigned>(std::clamp<uint64_t>(
      std::min<uint64_t>(total / 16, kPipesMax) / options.threads, 1, kPipesPerWorkerMax));
  const uint64_t reserve =
      kDescriptorsFixed + options.threads * (kDescriptorsPerWorker + options.listen.size() +
                                             2 * budget.pipes_per_worker);
  const uint64_t rest = total > reserve ? total - reserve : 0;
  const uint64_t files_min = kOpenFilesMin * options.threads;
  budget.open_files = options.open_files;
  if (budget.open_files == 0) {
    const uint64_t share = std::min(rest * 2 / 5, kOpenFilesDefaultMax);
    const uint64_t spare = rest > options.max_connections ? rest - options.max_connections : 0;
    budget.open_files = std::max(files_min, std::min(share, spare));
  }
  const uint64_t left = rest > budget.open_files ? rest - budget.open_files : 0;
  budget.max_connections = options.max_connections != 0 ? options.max_connections : left;
  if (budget.max_connections == 0 || budget.max_connections > left) {
    return net::fail(
        fmt::format("RLIMIT_NOFILE is {}, but {} connections, {} cached files and {} descriptors "
                    "for {} threads need {}",
                    total, std::max<uint64_t>(budget.max_connections, 1), budget.open_files,
                    reserve, options.threads,
                    reserve + budget.open_files + std::max<uint64_t>(budget.max_connections, 1)),
        0, "raise the hard limit (ulimit -Hn), or lower --max-connections or --open-files");
  }
  return budget;
}

// A worker and its thread. The thread makes the worker, since a ring has a single issuer.
struct RunningWorker {
  std::unique_ptr<Worker> worker;
  std::thread thread;
};

class Server {
 public:
  explicit Server(const Options& options) : options_(options) {}
  ~Server() { remove_unix_sockets(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  net::Status start();
  int run_until_signal();
  void print_ready() const;

 private:
  void print_tuning(std::string_view kernel_release) const;
  net::Status open_listeners(std::vector<std::vector<WorkerListener>>& per_worker);
  net::Status start_worker(WorkerConfig config, std::vector<WorkerListener> listeners);
  int wait_for_end();
  void stop_workers();
  void print_summary() const;
  void remove_unix_sockets();

  const Options& options_;
  net::OwnedFd signals_, stopped_;
  files::MediaTypes media_types_;
  std::atomic<uint64_t> connections_ = 0;
  std::vector<net::Address> addresses_;
  std::vector<RunningWorker> workers_;
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
    auto worker = Worker::create(config, std::move(listeners));
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
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // before any thread, which inherits it
  ::signal(SIGPIPE, SIG_IGN);                   // splice(2) knows no MSG_NOSIGNAL
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC));
  stopped_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!signals_.valid() || !stopped_.valid()) return net::fail("signalfd and eventfd", errno);

  const auto budget = share_descriptors(options_);
  if (!budget) return tl::unexpected(budget.error());
  if (auto types = files::MediaTypes::load(files::MediaTypes::kSystemFile)) {
    media_types_ = std::move(*types);
  } else {
    fmt::print(stderr, "ringserve: warning: {}; every file is sent as {}\n",
               types.error().message(), files::MediaTypes::kDefault);
  }
  std::vector<std::vector<WorkerListener>> listeners;
  if (auto status = open_listeners(listeners); !status) return status;

  WorkerConfig config;
  config.options = &options_;
  config.media_types = &media_types_;
  config.open_files = std::max<uint64_t>(budget->open_files / options_.threads, 1);
  config.memory_cache_bytes = options_.memory_cache_bytes / options_.threads;
  config.pipes_max = budget->pipes_per_worker;
  config.max_connections = budget->max_connections;
  config.accept_burst_max =
      net::accept_queue_max(options_.threads * static_cast<unsigned>(options_.listen.size()));
  config.connections = &connections_;
  workers_.reserve(options_.threads);  // the threads hold references into it
  for (unsigned i = 0; i < options_.threads; ++i) {
    if (auto status = start_worker(config, std::move(listeners[i])); !status) {
      stop_workers();
      return status;
    }
  }
  return {};
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
             RINGSERVE_VERSION, options_.root, addresses, options_.threads,
             options_.threads == 1 ? "" : "s", kernel.release, first.features(),
             name_of(options_.send_path), name_of(options_.cork),
             first.watches_files() ? "inotify" : "revalidated twice a second");
  if (options_.send_path == send::PathName::automatic) print_tuning(kernel.release);
  if (!options_.print_listen) return;
  for (const net::Address& address : addresses_) fmt::print("listening {}\n", address.text());
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
      std::_Exit(128 + static_cast<int>(info.ssi_signo));
    }
    uint64_t count = 0;
    if (::read(stopped_.get(), &count, sizeof count) == sizeof count) stopped += count;
  }
  for (RunningWorker& running : workers_) running.thread.join();
  return 0;
}

int Server::run_until_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) != sizeof info) {
    if (errno != EINTR) {
      fmt::print(stderr, "ringserve: error: read of signalfd: {}\n", net::errno_name(errno));
      return kExitFailed;
    }
  }
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

void Server::print_summary() const {
  Statistics sum;
  send::Counters counters;
  for (const RunningWorker& running : workers_) {
    const Statistics& part = running.worker->statistics();
    sum.connections += part.connections;
    sum.requests += part.requests;
    sum.sent_bytes += part.sent_bytes;
    counters.zero_copy_sends += running.worker->path_counters().zero_copy_sends;
    counters.zero_copy_copied += running.worker->path_counters().zero_copy_copied;
  }
  std::string extra;
  if (counters.zero_copy_sends > 0) {
    extra = fmt::format("; of {} zero-copy sends the kernel copied {}", counters.zero_copy_sends,
                        counters.zero_copy_copied);
  }
  spdlog::info("served {} requests on {} connections, {} bytes{}", sum.requests, sum.connections,
               sum.sent_bytes, extra);
}

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
  return server.run_until_signal();
}

}  // namespace ringserve
