// A queue always begins with a whole line: half a line that is written already is remembered, not
// consumed, so that it can be finished, or begun again in another file.
#include "server/log/writer.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace ringserve::log {
namespace {

// No channel is written longer than that in one round, however fast its worker is.
constexpr size_t kRoundBytes = BlockQueue::kBlocks * BlockQueue::kBlockBytes;

constexpr std::chrono::minutes kComplaintPeriod{1};
constexpr std::chrono::seconds kDroppedPeriod{1};

// What a write may raise: the error is enough. Other signals are blocked by whoever starts threads.
void block_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  ::sigaddset(&set, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// Whether that long has passed since; then it is now.
bool is_due(std::optional<Writer::Clock::time_point>& last, Writer::Clock::duration period) {
  const auto now = Writer::Clock::now();
  if (last && now - *last < period) return false;
  last = now;
  return true;
}

}  // namespace

net::Result<std::shared_ptr<Writer>> Writer::create(const std::string& path, Format format,
                                                    unsigned channels) {
  auto destination = Destination::open(path);
  if (!destination) return tl::unexpected(destination.error());
  net::OwnedFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return net::fail("eventfd", errno);
  std::shared_ptr<Writer> writer(new Writer(path, std::move(*destination), std::move(wake)));
  for (unsigned i = 0; i < channels; ++i) {
    writer->channels_.push_back(std::make_unique<Channel>(format, writer->wake_.get()));
  }
  return writer;
}

void Writer::run() {
  block_signals();
  std::optional<Clock::time_point> end_at;
  while (true) {
    // Looked at first: what the channels had by then is written in this round.
    const bool ending = ending_.load(std::memory_order_acquire);
    if (ending && !end_at) end_at = Clock::now() + kEndPatience;
    if (reopen_wanted_.exchange(false)) open_again();
    const Round round = write_channels();
    report(round);
    if (ending && (round != Round::blocked || Clock::now() >= *end_at)) break;
    wait(round);
  }
  give_up_the_rest();
}

void Writer::end() {
  for (const auto& channel : channels_) channel->flush();
  ending_.store(true, std::memory_order_release);
  (void)::eventfd_write(wake_.get(), 1);
}

void Writer::reopen() {
  reopen_wanted_.store(true);
  (void)::eventfd_write(wake_.get(), 1);
}

uint64_t Writer::dropped() const {
  uint64_t lines = unwritten_.get();
  for (const auto& channel : channels_) lines += channel->dropped();
  return lines;
}

Writer::Round Writer::write_channels() {
  for (; next_channel_ < channels_.size(); ++next_channel_) {
    const Round round = write_from(channels_[next_channel_]->queue());
    if (round != Round::done) return round;
  }
  next_channel_ = 0;
  return Round::done;
}

Writer::Round Writer::write_from(BlockQueue& queue) {
  size_t round_bytes = 0;
  while (round_bytes < kRoundBytes || line_part_ > 0) {
    const std::string_view lines = queue.readable();
    if (lines.empty()) break;
    const auto written = destination_.write(lines.substr(line_part_));
    if (!written) {
      failure_ = written.error();
      if (line_part_ > 0 && destination_.take_back(line_part_)) line_part_ = 0;
      return Round::failed;
    }
    if (*written == 0) return Round::blocked;
    round_bytes += *written;
    const size_t so_far = line_part_ + *written;
    const size_t newline = lines.substr(0, so_far).rfind('\n');
    const size_t whole_lines = newline == std::string_view::npos ? 0 : newline + 1;
    queue.consume(whole_lines);
    line_part_ = so_far - whole_lines;
  }
  return Round::done;
}

void Writer::open_again() {
  if (path_ == "-") return;
  auto fresh = Destination::open(path_);
  if (!fresh) {
    spdlog::error("{}; the old file stays in use", fresh.error().message());
    return;
  }
  destination_ = std::move(*fresh);
  line_part_ = 0;
}

void Writer::wait(Round round) {
  pollfd events[] = {{wake_.get(), POLLIN, 0}, {destination_.fd(), POLLOUT, 0}};
  const nfds_t count = round == Round::blocked ? 2 : 1;
  if (::poll(events, count, static_cast<int>(kFlushPeriod.count())) <= 0) return;
  eventfd_t wakes = 0;
  if (events[0].revents != 0) (void)::eventfd_read(wake_.get(), &wakes);
}

void Writer::report(Round round) {
  if (round == Round::done) {
    if (in_trouble_) spdlog::info("access log {}: it is written again", path_);
    in_trouble_ = false;
    if (dropped() > reported_dropped_ && is_due(reported_at_, kDroppedPeriod)) report_dropped();
    return;
  }
  // A pipe that is read slowly is no trouble as long as there is room for the lines meanwhile.
  if (round == Round::blocked && dropped() == reported_dropped_) return;
  if (!is_due(complained_at_, kComplaintPeriod)) return;
  in_trouble_ = true;
  const std::string what = round == Round::failed
                               ? failure_.message()
                               : "access log " + path_ + ": its reader does not keep up";
  spdlog::error("{}; it is tried again, {} lines are dropped so far", what, dropped());
}

void Writer::report_dropped() {
  const uint64_t lines = dropped();
  spdlog::warn("access log {}: {} lines dropped, there was no room for them", path_,
               lines - reported_dropped_);
  reported_dropped_ = lines;
}

void Writer::give_up_the_rest() {
  uint64_t lines = 0;
  for (const auto& channel : channels_) {
    BlockQueue& queue = channel->queue();
    for (std::string_view rest = queue.readable(); !rest.empty(); rest = queue.readable()) {
      lines += static_cast<uint64_t>(std::count(rest.begin(), rest.end(), '\n'));
      queue.consume(rest.size());
    }
  }
  unwritten_.add(lines);
  if (dropped() > reported_dropped_) report_dropped();
}

}  // namespace ringserve::log
