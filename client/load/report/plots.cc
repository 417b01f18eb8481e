// One function a picture. The letters are large for the size of the canvas, because on a phone the
// whole canvas is 330 pixels wide. Colours: Okabe and Ito, for all kinds of eyes.
#include "client/load/report/plots.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "client/load/report/derived.h"

namespace ringload {
namespace {

constexpr const char* kBlue = "#0072b2";
constexpr const char* kOrange = "#d55e00";
constexpr const char* kGreen = "#007d5c";
constexpr const char* kPurple = "#aa4a87";

std::string head(const char* name) {
  return fmt::format(
      "set terminal svg size 600,400 dynamic noenhanced font 'sans-serif,20' name '{}' linewidth "
      "1.6\n"
      "set encoding utf8\n"
      "set border 3 lc rgb '#555555'\n"
      "set tics nomirror out\n"
      "set grid lc rgb '#dddddd' lt 1\n"
      "set key above horizontal samplen 1.5\n"
      "set datafile missing 'NaN'\n"
      "set style fill noborder\n",
      name);
}

// The part that is not counted is grey.
std::string warmup_shade(const Outcome& outcome) {
  if (outcome.seconds.empty() || !outcome.seconds.front().warmup) return {};
  return "set object 1 rectangle from graph 0,0 to first 0,graph 1 behind fc rgb '#eeeeee' fs "
         "noborder\n"
         "set label 1 'warm-up' at graph 0.01,0.1 tc rgb '#777777' front\n";
}

std::string exhaustion_mark(const Outcome& outcome) {
  if (!outcome.exhaustion) return {};
  const double at_s = outcome.exhaustion->at_s;
  // The words stand on the side that has more room.
  const char* side = at_s > outcome.duration_s / 2 ? "right offset -0.5,0" : "left offset 0.5,0";
  return fmt::format(
      "set arrow 1 from first {0},graph 0 to first {0},graph 1 nohead lc rgb '{1}' dt 2 front\n"
      "set label 2 'ports ran out' at first {0},graph 0.95 {2} tc rgb '{1}' front\n",
      at_s, kOrange, side);
}

// All pictures over time show the same seconds.
std::string time_axis(const Outcome& outcome) {
  const SecondRow& first = outcome.seconds.front();
  return fmt::format("set xlabel 'seconds'\nset xrange [{:.3f}:{:.3f}]\n",
                     first.at_s - first.length_s, outcome.seconds.back().at_s);
}

// From 0, with room for the mark's words above the highest point.
std::string y_from_zero(double highest) {
  return fmt::format("set yrange [0:{:.6g}]\nset format y '%.7g'\n", std::max(1.0, highest * 1.15));
}

double per_second(uint64_t count, const SecondRow& row) {
  return static_cast<double>(count) / row.length_s;
}

// A step for each second: from its beginning to its end.
template <class Value>
std::string steps(const char* name, const Outcome& outcome, Value value) {
  constexpr double kShortestSecond = 0.2;  // the rate of a shorter rest is noise
  std::string data = fmt::format("${} << EOD\n", name);
  for (const SecondRow& row : outcome.seconds) {
    if (row.length_s < kShortestSecond && outcome.seconds.size() > 1) continue;
    const double y = value(row);
    data += fmt::format("{:.3f} {:.6g}\n{:.3f} {:.6g}\n", row.at_s - row.length_s, y, row.at_s, y);
  }
  return data + "EOD\n";
}

template <class Value>
std::string points(const char* name, const Outcome& outcome, Value value) {
  std::string data = fmt::format("${} << EOD\n", name);
  for (const SecondRow& row : outcome.seconds) {
    data += fmt::format("{:.3f} {:.6g}\n", row.at_s, value(row));
  }
  return data + "EOD\n";
}

Plot throughput_plot(const Outcome& outcome) {
  Plot plot{"Throughput", "Requests answered and errors in each second.", {}};
  double highest = 0;
  const auto seen = [&](double y) { return highest = std::max(highest, y), y; };
  const auto rate = [&](const SecondRow& row) { return seen(per_second(row.requests, row)); };
  const auto errors = [&](const SecondRow& row) { return seen(per_second(row.errors, row)); };
  const auto planned = [&](const SecondRow& row) { return seen(row.planned_rate_per_s); };
  plot.script =
      head("throughput") + time_axis(outcome) + warmup_shade(outcome) + exhaustion_mark(outcome);
  plot.script += steps("rate", outcome, rate);
  plot.script += steps("errors", outcome, errors);
  plot.script += steps("planned", outcome, planned);
  plot.script += y_from_zero(highest);
  plot.script += "set ylabel 'per second'\nplot ";
  if (outcome.facts.open_loop) {
    plot.script += "$planned using 1:2 with lines lw 1 dt 2 lc rgb '#777777' title 'asked', ";
  }
  plot.script += fmt::format(
      "$rate using 1:2 with lines lw 2 lc rgb '{}' title 'requests/s',"
      " $errors using 1:2 with lines lw 2 lc rgb '{}' title 'errors/s'\n",
      kBlue, kOrange);
  return plot;
}

Plot percentiles_plot(const Outcome& outcome) {
  Plot plot{"Latency over time", "Percentiles of each second, on a logarithmic scale.", {}};
  const bool answered = std::any_of(outcome.seconds.begin(), outcome.seconds.end(),
                                    [](const SecondRow& row) { return row.latency.max_ns > 0; });
  if (!answered) return {plot.title, "Nothing was answered: there is nothing to draw.", {}};
  // A logarithmic scale has no 0: nothing answered leaves a gap.
  const auto ms = [](uint64_t ns) { return ns > 0 ? static_cast<double>(ns) / 1e6 : NAN; };
  plot.script =
      head("percentiles") + time_axis(outcome) + warmup_shade(outcome) + exhaustion_mark(outcome);
  plot.script += points("p50", outcome, [&](const SecondRow& r) { return ms(r.latency.p50_ns); });
  plot.script += points("p99", outcome, [&](const SecondRow& r) { return ms(r.latency.p99_ns); });
  plot.script += points("p999", outcome, [&](const SecondRow& r) { return ms(r.latency.p999_ns); });
  plot.script += points("max", outcome, [&](const SecondRow& r) { return ms(r.latency.max_ns); });
  plot.script += fmt::format(
      "set ylabel 'milliseconds'\nset logscale y\nset format y '%g'\n"
      ""
      "plot $max using 1:2 with linespoints pt 7 ps 0.3 lc rgb '#999999' title 'max',"
      " $p999 using 1:2 with linespoints pt 7 ps 0.3 lw 2 lc rgb '{}' title 'p99.9',"
      " $p99 using 1:2 with linespoints pt 7 ps 0.3 lw 2 lc rgb '{}' title 'p99',"
      " $p50 using 1:2 with linespoints pt 7 ps 0.3 lw 2 lc rgb '{}' title 'p50'\n",
      kOrange, kGreen, kBlue);
  return plot;
}

// Latency by 1/(1 - quantile): each step to the right is ten times rarer.
Plot distribution_plot(const Outcome& outcome) {
  Plot plot{"Latency distribution",
            "Latency by percentile; each mark to the right is ten times rarer; 5x9 is 99.999 %.",
            {}};
  const measure::Histogram& latency = outcome.latency_ns;
  if (latency.empty()) return {plot.title, "Nothing was answered: there is nothing to draw.", {}};
  constexpr double kStep = 1.1;
  const double rarest = std::max(10.0, static_cast<double>(latency.count()));
  std::string data = "$latency << EOD\n";
  for (double rarity = 1; rarity < rarest * kStep; rarity *= kStep) {
    const uint64_t ns = latency.at_quantile(1 - 1 / std::min(rarity, rarest));
    data += fmt::format("{:.6g} {:.6g}\n", std::min(rarity, rarest), static_cast<double>(ns) / 1e6);
  }
  plot.script = head("distribution") + data +
                fmt::format(
                    "EOD\n"
                    "set xlabel 'percentile'\nset ylabel 'milliseconds'\nset logscale x\n"
                    "set yrange [0:*]\nset format y '%g'\nset nokey\nset xrange [1:{:.6g}]\n"
                    "set xtics ('0' 1, '90' 10, '99' 100, '99.9' 1e3, '99.99' 1e4, '5x9' 1e5,"
                    " '6x9' 1e6, '7x9' 1e7, '8x9' 1e8, '9x9' 1e9)\n"
                    "plot $latency using 1:2 with lines lw 2 lc rgb '{}'\n",
                    rarest, kBlue);
  return plot;
}

Plot sockets_plot(const Outcome& outcome) {
  Plot plot{"TIME_WAIT and free ports",
            "Sockets to the targets of the run, at the end of each "
            "second.",
            {}};
  double highest = 0;
  const auto seen = [&](const SocketSample& sample, uint64_t count) {
    if (!sample.valid) return static_cast<double>(NAN);
    highest = std::max(highest, static_cast<double>(count));
    return static_cast<double>(count);
  };
  const bool any = std::any_of(outcome.seconds.begin(), outcome.seconds.end(),
                               [](const SecondRow& row) { return row.sockets.valid; });
  if (!any) return {plot.title, "Nobody looked at the sockets.", {}};
  plot.script =
      head("sockets") + time_axis(outcome) + warmup_shade(outcome) + exhaustion_mark(outcome);
  plot.script += points("tw", outcome, [&](const SecondRow& row) {
    return seen(row.sockets, row.sockets.time_wait);
  });
  plot.script += points("free", outcome, [&](const SecondRow& row) {
    return seen(row.sockets, row.sockets.ports_free);
  });
  plot.script += points("server", outcome, [&](const SecondRow& row) {
    return seen(row.sockets, row.sockets.time_wait_server.value_or(0));
  });
  plot.script += y_from_zero(highest);
  plot.script += fmt::format(
      "set ylabel 'sockets'\n"
      "plot $tw using 1:2 with lines lw 2 lc rgb '{}' title 'TIME_WAIT here',"
      " $free using 1:2 with lines lw 2 lc rgb '{}' title 'free ports'",
      kPurple, kGreen);
  if (outcome.sockets.time_wait_server_peak.value_or(0) > 0) {
    plot.script += fmt::format(
        ", $server using 1:2 with lines lw 1 dt 2 lc rgb '{}' title 'on the server'", kBlue);
  }
  plot.script += "\n";
  return plot;
}

}  // namespace

std::vector<Plot> plots_of(const Outcome& outcome) {
  if (outcome.seconds.empty()) {
    return {{"Over time", "The run was too short for a picture over time.", {}},
            distribution_plot(outcome)};
  }
  std::vector<Plot> plots{throughput_plot(outcome), percentiles_plot(outcome),
                          distribution_plot(outcome)};
  if (sockets_tracked(outcome)) plots.push_back(sockets_plot(outcome));
  return plots;
}

}  // namespace ringload
