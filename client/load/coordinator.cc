// Relies on SIGINT and SIGTERM being blocked before the first thread exists. It never sends a
// request, and never waits for anything but events.
#include "client/load/coordinator.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>

#include "client/load/options.h"
#include "client/load/report/sections.h"

namespace ringload {
namespace {

constexpr int64_t kInterruptPatienceNs = 500'000'000;
// --requests without --duration: for so long nothing may be answered. Longer than TIME_WAIT.
constexpr double kSilenceMaxS = 75;
constexpr double kShownRowS = 0.05;  // a shorter rest of a second is not worth a line
// A prediction counts if it was made at least so long before.
constexpr double kForetoldS = 1;

int64_t to_ns(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

sigset_t signals_of_ours() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

double unix_time_s() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

RunFacts facts_of(const Plan& plan) {
  utsname system{};
  ::uname(&system);
  RunFacts facts;
  facts.version = RINGLOAD_VERSION;
  facts.command_line = plan.command_line;
  facts.kernel = system.release;
  facts.host = system.nodename;
  facts.urls = plan.urls;
  facts.connections = plan.connections;
  facts.threads = plan.threads;
  facts.pipeline = plan.pipeline;
  facts.open_loop = plan.open_loop();
  facts.duration_wanted_s = plan.duration_s;
  facts.requests_wanted = plan.requests;
  facts.warmup_s = plan.warmup_s;
  facts.timeout_s = plan.timeout_s;
  facts.requests_per_connection = plan.requests_per_connection;
  facts.new_connection = plan.requests_per_connection == 1;
  facts.close_by = plan.close_by;
  facts.body = plan.body;
  return facts;
}

// The mean of what the schedule asked for in the measured part, as long as it was.
double planned_rate_per_s(const Plan& plan, double duration_s) {
  if (!plan.open_loop() || duration_s <= 0) return 0;
  const Schedule schedule(plan.rate);
  return (schedule.count_until(plan.warmup_s + duration_s) - schedule.count_until(plan.warmup_s)) /
         duration_s;
}

}  // namespace

Coordinator::Coordinator(const Plan& plan)
    : plan_(plan),
      materials_{plan, {}, {}},
      created_(plan.threads),
      ready_(plan.threads),
      live_(plan.quiet ? LiveMode::off : plan.live),
      collector_(plan, control_, mailboxes_) {
  outcome_.facts = facts_of(plan);
  outcome_.connections.asked = plan.connections;
}

net::Result<std::unique_ptr<Coordinator>> Coordinator::create(const Plan& plan) {
  std::unique_ptr<Coordinator> coordinator(new Coordinator(plan));
  net::Status status = coordinator->prepare();
  if (status) status = coordinator->start_tracker();
  if (status) status = coordinator->start_workers();
  if (status) status = coordinator->open_csv();
  if (!status) return tl::unexpected(status.error());
  return coordinator;
}

net::Status Coordinator::prepare() {
  for (const Target& target : plan_.targets) {
    materials_.requests.emplace_back(plan_, target);
    if (plan_.body != BodyMode::verify) continue;
    auto expected = ExpectedBodies::open(plan_.verify_directory, target.paths);
    if (!expected) return tl::unexpected(expected.error());
    materials_.expected.push_back(std::move(*expected));
  }
  if (!plan_.server_pids.empty()) {
    server_cpu_ = std::make_unique<measure::ProcessTreeCpu>(plan_.server_pids);
  }
  const sigset_t ours = signals_of_ours();
  ::pthread_sigmask(SIG_BLOCK, &ours, nullptr);
  signals_.reset(::signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return net::fail("signalfd", errno);
  control_.coordinator_wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!control_.coordinator_wake.valid()) return net::fail("eventfd", errno);
  return {};
}

net::Status Coordinator::open_csv() {
  if (plan_.files.csv.empty()) return {};
  auto csv = CsvWriter::open(plan_.files.csv);
  if (!csv) return tl::unexpected(csv.error());
  csv_.emplace(std::move(*csv));
  return {};
}

net::Status Coordinator::start_tracker() {
  TrackedRun tracked;
  for (const Target& target : plan_.targets) {
    const auto same = [&target](const net::Address& a) {
      return a.text() == target.address.text();
    };
    if (std::none_of(tracked.targets.begin(), tracked.targets.end(), same)) {
      tracked.targets.push_back(target.address);
    }
  }
  tracked.sources = plan_.sources;
  tracked.closes_first = plan_.close_by == CloseBy::client;
  auto tracker = SocketTracker::start(tracked);
  if (!tracker) return tl::unexpected(tracker.error());
  tracker_ = std::move(*tracker);
  return {};
}

net::Status Coordinator::start_workers() {
  for (unsigned number = 0; number < plan_.threads; ++number) {
    mailboxes_.push_back(std::make_unique<Mailbox>());
    wakes_.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wakes_.back().valid()) return net::fail("eventfd", errno);
  }
  for (unsigned number = 0; number < plan_.threads; ++number) {
    threads_.emplace_back(&Coordinator::work, this, number, wakes_[number].get());
  }
  ready_.wait();
  for (const net::Status& created : created_) {
    if (!created) return created;
  }
  return {};
}

void Coordinator::work(unsigned number, int wake_fd) {
  auto worker = Worker::create(materials_, control_, *mailboxes_[number], number, wake_fd);
  if (!worker) created_[number] = tl::unexpected(worker.error());
  ready_.count_down();
  go_.wait();
  if (!abandoned_) (*worker)->run();
}

Coordinator::~Coordinator() {
  if (!go_.try_wait()) go_.count_down();
  for (std::thread& thread : threads_) thread.join();
}

net::Result<Outcome> Coordinator::run() {
  begin();
  while (!collector_.all_finished()) {
    wait();
    on_signals();
    watch_exhaustion();
    collector_.collect(outcome_, [this](SecondRow& row) { on_row(row); });
    if (control_.hopeless_workers.load() == plan_.threads && !stopping_) {
      stop("nobody accepted a connection", 0);
    }
  }
  live_.end();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  finish_outcome();
  unblock_signals();
  if (!file_status_) return tl::unexpected(file_status_.error());
  if (outcome_.connections.opened == 0 && control_.hopeless_workers.load() == plan_.threads) {
    const int error = control_.first_connect_errno.load();
    return net::fail(
        fmt::format("connect to {}", plan_.targets.front().text), error == 0 ? ETIMEDOUT : error,
        error == ECONNREFUSED || error == ENOENT ? "is the server running, and listening there?"
                                                 : "nobody accepted a connection");
  }
  return outcome_;
}

void Coordinator::begin() {
  control_.begin_ns = measure::monotonic_ns();
  control_.measured_from_ns = control_.begin_ns + to_ns(plan_.warmup_s);
  if (plan_.duration_s > 0) {
    control_.end_ns = control_.measured_from_ns + to_ns(plan_.duration_s);
    control_.give_up_ns = control_.end_ns.load() + to_ns(plan_.timeout_s);
  }
  if (plan_.requests > 0) control_.budget = static_cast<int64_t>(plan_.requests);
  outcome_.facts.started_at_s = unix_time_s() + plan_.warmup_s;
  outcome_.facts.rate_per_s = planned_rate_per_s(plan_, plan_.duration_s);
  live_.begin(outcome_.facts);
  if (plan_.open_loop() && plan_.requests_per_connection > 0) {
    const double rate = value_at(plan_.rate, 0) / plan_.requests_per_connection;
    const SocketSample now = tracker_->look(rate);
    if (now.exhausted_in_s) {
      predictions_.push_back({-plan_.warmup_s, *now.exhausted_in_s - plan_.warmup_s});
    }
  }
  abandoned_ = false;
  go_.count_down();
}

void Coordinator::wait() {
  std::array<pollfd, 2> events{
      {{signals_.get(), POLLIN, 0}, {control_.coordinator_wake.get(), POLLIN, 0}}};
  int timeout_ms = 1000;
  if (!measuring_) {
    const int64_t left_ns = control_.measured_from_ns - measure::monotonic_ns();
    timeout_ms = static_cast<int>(std::clamp<int64_t>(left_ns / 1'000'000 + 1, 0, timeout_ms));
  }
  ::poll(events.data(), events.size(), timeout_ms);
  eventfd_t count = 0;
  ::eventfd_read(control_.coordinator_wake.get(), &count);
  note_measured_start();
}

void Coordinator::note_measured_start() {
  if (measuring_ || measure::monotonic_ns() < control_.measured_from_ns) return;
  measuring_ = true;
  client_cpu_start_ns_ = measure::process_cpu_ns();
  if (server_cpu_) server_cpu_start_ns_ = server_cpu_row_ns_ = server_cpu_->total_ns();
}

void Coordinator::on_signals() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
    if (interrupted_) {  // the second one
      live_.end();
      ::_exit(kExitInterrupted);
    }
    interrupted_ = true;
    stop("interrupted", kInterruptPatienceNs);
  }
}

// While the reports are made nobody reads them: they act as they do by default.
void Coordinator::unblock_signals() {
  const sigset_t ours = signals_of_ours();
  ::pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
}

void Coordinator::watch_exhaustion() {
  const int64_t exhausted_ns = control_.exhausted_ns.load();
  if (exhausted_ns == kNever || outcome_.exhaustion) return;
  Exhaustion exhaustion;
  exhaustion.at_s = at_s(exhausted_ns);
  exhaustion.forecast = tracker_->forecast();
  exhaustion.at = tracker_->look_closely(0);
  for (const Prediction& prediction : predictions_) {
    if (prediction.made_at_s <= exhaustion.at_s - kForetoldS) {
      exhaustion.predicted_at_s = prediction.exhausted_at_s;
    }
  }
  outcome_.exhaustion = exhaustion;
  live_.note(exhaustion_paragraphs(exhaustion, tracker_->facts()));
  if (plan_.until_exhausted) stop("no ephemeral port is left", to_ns(plan_.timeout_s));
}

void Coordinator::on_row(SecondRow& row) {
  // Connections that are opened to stay take their ports once.
  const uint64_t stay = row.connected > connected_ ? row.connected - connected_ : 0;
  connected_ = row.connected;
  const uint64_t pass = row.connections_opened - std::min(stay, row.connections_opened);
  row.sockets = tracker_->look(static_cast<double>(pass) / row.length_s);
  if (row.sockets.exhausted_in_s) {
    predictions_.push_back({row.at_s, row.at_s + *row.sockets.exhausted_in_s});
  }
  if (server_cpu_ && !row.warmup) {
    const int64_t now_ns = server_cpu_->total_ns();
    row.server_cpu_s = static_cast<double>(now_ns - server_cpu_row_ns_) / 1e9;
    server_cpu_row_ns_ = now_ns;
  }
  if (measuring_) {
    outcome_.client_cpu_s =
        static_cast<double>(measure::process_cpu_ns() - client_cpu_start_ns_) / 1e9;
    if (server_cpu_) {
      outcome_.server_cpu_s = static_cast<double>(server_cpu_row_ns_ - server_cpu_start_ns_) / 1e9;
    }
  }
  if (csv_ && file_status_) {
    file_status_ = csv_->row(row, exhausted_in(row, outcome_.exhaustion));
    if (!file_status_) stop("the --csv file cannot be written", 0);
  }
  const bool refused = outcome_.connections.opened == 0 && control_.hopeless_workers.load() > 0;
  if (row.length_s >= kShownRowS && !refused) live_.row(row, fraction_done(row));
  watch_conditions(row);
  watch_silence(row);
}

double Coordinator::fraction_done(const SecondRow& row) const {
  if (plan_.requests > 0) {
    return static_cast<double>(outcome_.requests) / static_cast<double>(plan_.requests);
  }
  return (row.at_s + plan_.warmup_s) / (plan_.duration_s + plan_.warmup_s);
}

void Coordinator::watch_conditions(const SecondRow& row) {
  if (row.warmup || stopping_) return;
  TotalsSoFar totals;
  totals.requests = outcome_.requests;
  totals.bytes = outcome_.bytes;
  totals.errors = total_of(outcome_.errors);
  totals.connections_lost = row.lost;
  for (const Condition& condition : plan_.stop_on) {
    const auto reason = violation(condition, row, totals);
    if (!reason) continue;
    outcome_.failed_conditions.push_back(*reason);
    stop("--stop-on " + *reason, to_ns(plan_.timeout_s));
    return;
  }
}

void Coordinator::watch_silence(const SecondRow& row) {
  if (plan_.duration_s > 0 || stopping_) return;
  silent_s_ = row.requests > 0 || row.bytes > 0 ? 0 : silent_s_ + row.length_s;
  if (silent_s_ > kSilenceMaxS) {
    stop(fmt::format("nothing was answered for {:.0f} s", silent_s_), 0);
  }
}

void Coordinator::stop(const std::string& reason, int64_t patience_ns) {
  const int64_t now_ns = measure::monotonic_ns();
  if (!stopping_ && now_ns < control_.end_ns.load()) outcome_.end_reason = reason;
  stopping_ = true;
  control_.end_ns = std::min(control_.end_ns.load(), now_ns);
  control_.give_up_ns = std::min(control_.give_up_ns.load(), now_ns + patience_ns);
  for (const net::OwnedFd& wake : wakes_) ::eventfd_write(wake.get(), 1);
}

void Coordinator::finish_outcome() {
  collector_.collect(outcome_, [this](SecondRow& row) { on_row(row); });
  collector_.finish(outcome_);
  if (outcome_.end_reason.empty()) {
    const bool by_time = measure::monotonic_ns() >= control_.end_ns.load();
    outcome_.end_reason = by_time ? "the duration is over" : "the requests are done";
  }
  outcome_.facts.rate_per_s = planned_rate_per_s(plan_, outcome_.duration_s);
  outcome_.sockets = tracker_->summary();
  if (plan_.requests > 0) {  // of what was due, no more was asked for
    const int64_t left = std::max<int64_t>(0, control_.budget.load());
    outcome_.unsent = std::min(outcome_.unsent, static_cast<uint64_t>(left));
  }
  for (const Condition& condition : plan_.fail_if) {
    if (auto reason = violation(condition, outcome_)) outcome_.failed_conditions.push_back(*reason);
  }
}

double Coordinator::at_s(int64_t at_ns) const {
  return static_cast<double>(at_ns - control_.measured_from_ns) / 1e9;
}

}  // namespace ringload
