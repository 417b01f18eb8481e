// What the main thread does while the workers serve: it waits for signals. SIGTERM and SIGINT end,
// SIGHUP reads the configuration again, SIGUSR1 opens the access log again, SIGUSR2 starts the
// binary anew and hands it the listeners.
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <csignal>

#include "server/config/reload.h"
#include "server/server_impl.h"
#include "server/totals.h"

namespace ringserve {
namespace {

using Clock = std::chrono::steady_clock;

// A successor that has not said by then whether it serves is not waited for.
constexpr std::chrono::seconds kUpgradePatience{60};

constexpr const char* kServesOn = "this server serves on";

std::string_view name_of_signal(int signal) { return signal == SIGINT ? "SIGINT" : "SIGTERM"; }

int ms_until(Clock::time_point when) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(when - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

}  // namespace

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
  if (auto budget = share_descriptors(*wanted, listeners_.count()); !budget) {
    return fail(budget.error().message());
  }
  if (auto status = sandbox_.check_roots(*wanted); !status) return fail(status.error().message());
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

// SIGUSR2. Until the successor serves nothing changes here.
void Server::begin_upgrade() {
  if (upgrade_ != nullptr) {
    return spdlog::warn("SIGUSR2: process {} is starting already", upgrade_->started.pid);
  }
  auto started = starter_->start(listeners_.to_hand_over());
  if (!started) return abandon_upgrade(started.error().message());
  spdlog::info("SIGUSR2: started process {}, which gets {} socket{}", started->pid,
               listeners_.count(), listeners_.count() == 1 ? "" : "s");
  upgrade_ =
      std::make_unique<Upgrade>(Upgrade{std::move(*started), Clock::now() + kUpgradePatience});
}

void Server::abandon_upgrade(const std::string& why) {
  upgrade_.reset();  // a successor that is late finds nobody to tell, and ends
  spdlog::error("SIGUSR2: {}; {}", why, kServesOn);
  manager_.status(fmt::format("{}; upgrade failed: {}", describe_status(), why));
}

Server::Next Server::on_readiness() {
  const pid_t pid = upgrade_->started.pid;
  const process::Readiness readiness = process::read_readiness(upgrade_->started.readiness);
  if (!readiness.is_ready) {
    abandon_upgrade(fmt::format("process {} cannot take over: {}", pid, readiness.reason));
    return Next::go_on;
  }
  manager_.succeeded_by(pid);
  spdlog::info("SIGUSR2: process {} serves now", pid);
  upgrade_.reset();
  return Next::hand_over;
}

Server::Next Server::on_signal(int signal) {
  switch (signal) {
    case SIGHUP:
      manager_.reloading();
      reload();
      manager_.ready(describe_status());
      return Next::go_on;
    case SIGUSR1:
      if (settings_.log != nullptr) settings_.log->reopen();
      return Next::go_on;
    case SIGUSR2: begin_upgrade(); return Next::go_on;
    default: ending_signal_ = signal; return Next::drain;
  }
}

// A worker that hangs keeps the sign of life back; the manager then restarts the server.
void Server::watch_workers() {
  if (!watchdog_.is_due(Clock::now())) return;
  std::vector<uint64_t> answered;
  for (const RunningWorker& running : workers_) {
    answered.push_back(running.worker->signs_of_life());
  }
  if (!watchdog_.look(answered, Clock::now())) return;
  manager_.sign_of_life();
  for (RunningWorker& running : workers_) running.worker->request_sign_of_life();
}

int Server::patience_ms() const {
  int patience = -1;
  const auto no_later_than = [&](Clock::time_point when) {
    patience = patience < 0 ? ms_until(when) : std::min(patience, ms_until(when));
  };
  if (watchdog_.is_on()) no_later_than(watchdog_.due_at());
  if (upgrade_ != nullptr) no_later_than(upgrade_->give_up_at);
  return patience;
}

Server::Next Server::wait_for_event() {
  const int readiness = upgrade_ == nullptr ? -1 : upgrade_->started.readiness.get();
  pollfd events[] = {{signals_.get(), POLLIN, 0}, {readiness, POLLIN, 0}};
  if (::poll(events, 2, patience_ms()) < 0 && errno != EINTR) {
    spdlog::error("poll for signals: {}; ending", net::errno_name(errno));
    ending_signal_ = SIGTERM;
    return Next::drain;
  }
  watch_workers();
  if (events[1].revents != 0) return on_readiness();
  if (upgrade_ != nullptr && Clock::now() >= upgrade_->give_up_at) {
    abandon_upgrade(fmt::format("process {} has not said in {} s that it serves",
                                upgrade_->started.pid, kUpgradePatience.count()));
  }
  if ((events[0].revents & POLLIN) == 0) return Next::go_on;
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return Next::go_on;
  return on_signal(static_cast<int>(info.ssi_signo));
}

void Server::start_draining(Next why) {
  upgrade_.reset();
  draining_.store(true);
  const uint64_t open = connections_.load();
  const std::string what = fmt::format("draining {} connection{} for at most {} s", open,
                                       open == 1 ? "" : "s", options_.drain_timeout_s);
  if (why == Next::hand_over) {
    spdlog::info("{}; SIGTERM ends this process at once", what);
    admin_.reset();  // the successor's numbers are asked for from now on
    listeners_.leave_to_successor();
  } else {
    spdlog::info("{}: {}; a second signal ends at once", name_of_signal(ending_signal_), what);
    manager_.stopping(what);
    // Now, not at the end: a successor may bind the same paths while this server drains.
    listeners_.remove_unix_sockets();
    listeners_.close();
  }
  const Drain how = why == Next::hand_over ? Drain::handed_over : Drain::at_once;
  for (RunningWorker& running : workers_) running.worker->request_drain(how);
}

// Until every worker has stopped, or a second signal.
int Server::wait_for_end() {
  uint64_t stopped = 0;
  while (stopped < workers_.size()) {
    pollfd events[] = {{signals_.get(), POLLIN, 0}, {stopped_.get(), POLLIN, 0}};
    // Workers that have ended answer no more: the drain has a limit of its own.
    const int patience = watchdog_.is_on() ? ms_until(watchdog_.due_at()) : -1;
    if (::poll(events, 2, patience) < 0) continue;
    if (watchdog_.is_due(Clock::now())) {
      watchdog_.postpone(Clock::now());
      manager_.sign_of_life();
    }
    if ((events[0].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
      if (info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT) continue;  // too late
      std::_Exit(128 + static_cast<int>(info.ssi_signo));
    }
    uint64_t count = 0;
    if ((events[1].revents & POLLIN) == 0) continue;
    if (::read(stopped_.get(), &count, sizeof count) == sizeof count) stopped += count;
  }
  for (RunningWorker& running : workers_) running.thread.join();
  return 0;
}

int Server::run_until_end() {
  Next next = Next::go_on;
  while (next == Next::go_on) next = wait_for_event();
  start_draining(next);
  const int status = wait_for_end();
  print_summary();
  return status;
}

void Server::print_summary() const { spdlog::info("{}", summary_of(totals())); }

}  // namespace ringserve
