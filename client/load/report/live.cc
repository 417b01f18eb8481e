// Lines go out with one write each, so that they do not mix with those of others.
#include "client/load/report/live.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cmath>

#include "client/load/report/derived.h"
#include "client/load/report/files.h"
#include "client/load/report/format.h"

namespace ringload {
namespace {

constexpr unsigned kRowsPerHeader = 20;
constexpr std::string_view kEraseLine = "\r\033[K";
constexpr std::string_view kNothing = "-";

// The units stand close to the number here: a line has 80 columns.
std::string narrow(std::string text) {
  std::erase(text, ' ');
  return text;
}

// Whole up to five digits, then with a unit.
std::string narrow_count(double value) {
  return value < 99999.5 ? fmt::format("{:.0f}", value) : narrow(si_text(value));
}

std::string narrow_latency(const SecondRow& row, uint64_t ns) {
  if (row.latency.max_ns == 0) return std::string(kNothing);
  return narrow(latency_text(static_cast<double>(ns)));
}

std::string narrow_sockets(const SecondRow& row, uint64_t count) {
  return row.sockets.valid ? narrow_count(static_cast<double>(count)) : std::string(kNothing);
}

std::string time_to_exhaustion(const SecondRow& row) {
  if (!row.sockets.valid || !row.sockets.exhausted_in_s) return std::string(kNothing);
  return narrow(seconds_text(*row.sockets.exhausted_in_s));
}

std::string elapsed(const SecondRow& row) {
  return fmt::format("{}{}", row.warmup ? "w" : "", std::llround(row.at_s));
}

}  // namespace

std::string live_header() {
  return fmt::format("{:>5} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>9} {:>6} {:>8}", "s",
                     "req/s", "MB/s", "p50", "p99", "p99.9", "errors", "estab", "TIME_WAIT", "free",
                     "runs out");
}

std::string live_line(const SecondRow& row) {
  const double megabytes = static_cast<double>(row.bytes) / row.length_s / 1e6;
  return fmt::format(
      "{:>5} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>9} {:>6} {:>8}", elapsed(row),
      narrow_count(ratio(static_cast<double>(row.requests), row.length_s)),
      megabytes < 99.95 ? fmt::format("{:.1f}", megabytes) : narrow_count(megabytes),
      narrow_latency(row, row.latency.p50_ns), narrow_latency(row, row.latency.p99_ns),
      narrow_latency(row, row.latency.p999_ns), narrow_count(static_cast<double>(row.errors)),
      narrow_sockets(row, row.sockets.established), narrow_sockets(row, row.sockets.time_wait),
      narrow_sockets(row, row.sockets.ports_free), time_to_exhaustion(row));
}

Live::Live(LiveMode mode, int fd)
    : fd_(fd),
      shown_(mode != LiveMode::off),
      terminal_(mode == LiveMode::automatic && ::isatty(fd) == 1) {}

void Live::begin(const RunFacts& facts) {
  duration_wanted_s_ = facts.duration_wanted_s;
  requests_wanted_ = facts.requests_wanted;
  const std::string target = facts.urls.empty() ? "" : shortened(printable(facts.urls.front()), 60);
  print(fmt::format("ringload: {}\n", target));
  if (facts.warmup_s > 0) {
    print(fmt::format("w: warm-up of {}, not counted\n", seconds_text(facts.warmup_s)));
  }
}

void Live::row(const SecondRow& row, double fraction_done) {
  clear_bar();
  if (rows_since_header_ == 0) print(live_header() + "\n");
  rows_since_header_ = (rows_since_header_ + 1) % kRowsPerHeader;
  print(live_line(row) + "\n");
  fraction_done_ = std::clamp(fraction_done, 0.0, 1.0);
  bar_text_ = "warm-up";
  if (!row.warmup) bar_text_ = fmt::format("{:.0f} %{}", 100 * fraction_done_, left_text(row));
  draw_bar();
}

// By requests the rest goes as fast as what is done.
std::string Live::left_text(const SecondRow& row) const {
  if (requests_wanted_ > 0 && fraction_done_ == 0) return {};
  const double left_s = requests_wanted_ > 0 ? row.at_s * (1 - fraction_done_) / fraction_done_
                                             : duration_wanted_s_ - row.at_s;
  return fmt::format(", {} left", seconds_text(std::max(0.0, std::round(left_s))));
}

void Live::note(const std::vector<std::string>& paragraphs) {
  clear_bar();
  std::string text = "\n";
  for (const std::string& paragraph : paragraphs) {
    for (const std::string& line : wrapped(printable(paragraph))) text += line + "\n";
    text += "\n";
  }
  print(text);
  rows_since_header_ = 0;
  if (!bar_text_.empty()) draw_bar();
}

void Live::end() { clear_bar(); }

void Live::clear_bar() {
  if (bar_drawn_) print(kEraseLine);
  bar_drawn_ = false;
}

// The bar takes what its text leaves of the terminal, one column free lest the line wraps.
void Live::draw_bar() {
  if (!terminal_ || (duration_wanted_s_ == 0 && requests_wanted_ == 0)) return;
  const size_t around = bar_text_.size() + 4;
  const size_t all = columns();
  if (all < around + 10) return;
  const size_t width = std::min<size_t>(all - around, 60);
  const auto filled = static_cast<size_t>(fraction_done_ * static_cast<double>(width));
  print(fmt::format("[{}{}] {}", std::string(filled, '#'), std::string(width - filled, '.'),
                    bar_text_));
  bar_drawn_ = true;
}

void Live::print(std::string_view text) const {
  // A terminal that went away must not end the run; the report is written elsewhere.
  if (shown_) static_cast<void>(write_all(fd_, text, "the live view"));
}

size_t Live::columns() const {
  winsize size{};
  if (::ioctl(fd_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kReportColumns;
  return size.ws_col;
}

}  // namespace ringload
