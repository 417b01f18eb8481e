// `ringtune search`: replicates of a screening design until a part of the time is used up, then
// the strongest effects once more, each alone against the baseline, as `measure` does it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "client/load/raw_options.h"
#include "client/load/report/files.h"
#include "client/load/report/format.h"
#include "client/tune/measure/cell.h"
#include "client/tune/measure/measure.h"
#include "client/tune/measure/ranges.h"
#include "client/tune/measure/run_measure.h"
#include "client/tune/measure/screening.h"
#include "client/tune/output.h"
#include "common/check.h"
#include "common/measure/cpu_time.h"

namespace ringtune {
namespace {

constexpr double kScreeningShare = 0.6;  // of the budget; the rest confirms
constexpr size_t kReplicatesMin = ::measure::kPairsMin;
constexpr size_t kReplicatesMax = 20;
constexpr size_t kConfirmedMax = 3;
constexpr size_t kPairsMax = 20;
constexpr double kSlack = 1.15;  // samples are not all of the same length
constexpr double kBudgetMin_s = 1;

constexpr const char* kFooter =
    "Each parameter is low or high; which values those are, --set or a table says. A screening\n"
    "design (Plackett and Burman) tells in few samples which of them matter; the strongest are\n"
    "measured again alone. --set NAME=LOW,HIGH names a parameter and its values at once.\n\n"
    "Exit status: as of `ringtune measure`.";

struct SearchOptions {
  SetupOptions setup;
  std::vector<std::string> names;
  std::vector<std::string> sets;
  std::string budget = "5m";
  std::string json;
};

struct Factor {
  std::string name;
  std::string low;
  std::string high;
  std::vector<double> effects;  // a replicate each
  ::measure::Comparison effect{};
  Finding finding = Finding::unclear;  // of high against low
};

struct Search {
  std::vector<Factor> factors;
  size_t samples = 0;
  size_t replicates = 0;
  bool is_interrupted = false;
  std::optional<MeasureResult> confirmed;
};

class Clock {
 public:
  explicit Clock(double budget_s) : budget_s_(budget_s) {}
  double used_s() const { return static_cast<double>(::measure::monotonic_ns() - begun_ns_) / 1e9; }
  double left_s() const { return budget_s_ - used_s(); }
  double budget_s() const { return budget_s_; }

 private:
  double budget_s_;
  int64_t begun_ns_ = ::measure::monotonic_ns();
};

net::Result<std::vector<Factor>> factors_of(const SearchOptions& options) {
  std::vector<Factor> factors;
  for (const std::string& text : options.sets) {
    const auto trial = parse_trial(text);
    if (!trial) return tl::unexpected(trial.error());
    if (trial->values.size() != 2) {
      return net::fail(fmt::format("--set {}", text), 0, "write NAME=LOW,HIGH");
    }
    factors.push_back({trial->name, trial->values[0], trial->values[1], {}, {}, {}});
  }
  for (const std::string& name : options.names) {
    const bool is_there = std::any_of(factors.begin(), factors.end(),
                                      [&](const Factor& one) { return one.name == name; });
    if (is_there) continue;
    const auto range = usual_range(name);
    if (!range) {
      if (auto status = check_name(name); !status) return tl::unexpected(status.error());
      return net::fail(fmt::format("{}: no usual low and high value is known", name), 0,
                       fmt::format("give --set {}=LOW,HIGH", name));
    }
    factors.push_back({name, range->low, range->high, {}, {}, {}});
  }
  if (factors.empty()) return net::fail("no parameter is given", 0, "write --names A,B,C");
  return factors;
}

std::vector<Setting> settings_of(const std::vector<Factor>& factors, const std::vector<bool>& run,
                                 std::vector<Setting> settings) {
  for (size_t i = 0; i < factors.size(); ++i) {
    settings.push_back({factors[i].name, run[i] ? factors[i].high : factors[i].low});
  }
  return settings;
}

// One replicate; false: interrupted.
net::Result<bool> replicate(const Setup& setup, const Bench& bench, const Design& design,
                            Search& search, double planned_s, const Clock& clock) {
  std::vector<double> results(design.size());
  // Back and forth, as in ABBA: a steady drift falls on either side.
  for (const size_t run : ::measure::abba_order(search.replicates, design.size())) {
    if (::isatty(STDERR_FILENO) != 0) {
      fmt::print(stderr, "\r\033[Kscreening: sample {}, {:.0f} s left", search.samples + 1,
                 std::max(planned_s - clock.used_s(), 0.0));
    }
    const auto sample = take_sample(
        setup.workload, bench, settings_of(search.factors, design[run], setup.surroundings.copied));
    if (InterruptWatch::was_interrupted()) return false;
    if (!sample) return tl::unexpected(sample.error());
    results[run] = sample->values.front();
    ++search.samples;
  }
  for (size_t i = 0; i < search.factors.size(); ++i) {
    search.factors[i].effects.push_back(effect_of(design, i, results));
  }
  ++search.replicates;
  return true;
}

net::Status screen(const Setup& setup, const Clock& clock, Search& search) {
  auto design = plackett_burman(search.factors.size());
  if (!design) return tl::unexpected(design.error());
  const Design mirror = mirrored(*design);
  Bench bench = setup.bench;
  for (const Factor& factor : search.factors) {
    bench.follows_congestion |= factor.name == kCongestion;
  }
  const double screening_s = clock.budget_s() * kScreeningShare;
  while (search.replicates < kReplicatesMax) {
    const auto done = replicate(setup, bench, search.replicates % 2 == 0 ? *design : mirror, search,
                                screening_s, clock);
    if (!done) return tl::unexpected(done.error());
    if (!*done) {
      search.is_interrupted = true;
      break;
    }
    const double each_s = clock.used_s() / static_cast<double>(search.replicates);
    const double least_s = each_s * kReplicatesMin * kSlack;
    if (search.replicates == 1 && least_s > clock.budget_s()) {
      return net::fail(
          fmt::format("{} samples of {:.1f} s each, {} times, take {:.0f} s", design->size(),
                      each_s / static_cast<double>(design->size()), kReplicatesMin, least_s),
          0, "give a longer --budget, fewer --names, or shorter --seconds");
    }
    const double next_s = clock.used_s() + each_s * kSlack;
    if (next_s > clock.budget_s()) break;
    if (search.replicates >= kReplicatesMin && next_s > screening_s) break;
  }
  if (::isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\r\033[K");
  ::measure::Comparison even{search.replicates, 1, 1, 1, ::measure::Verdict::kUnclear};
  for (Factor& factor : search.factors) {
    if (factor.effects.empty()) continue;
    const auto effect = summarize(factor.effects);
    if (!effect) return tl::unexpected(effect.error());
    factor.effect = *effect;
    factor.finding = judge(*effect, even, setup.workload.metrics.front().more_is_better);
  }
  std::stable_sort(search.factors.begin(), search.factors.end(),
                   [](const Factor& a, const Factor& b) {
                     return std::abs(std::log(a.effect.ratio)) > std::abs(std::log(b.effect.ratio));
                   });
  return {};
}

bool matters(const Factor& factor) {
  return factor.finding == Finding::better || factor.finding == Finding::worse;
}

std::string finding_words(const Factor& factor) {
  if (matters(factor)) return fmt::format("high is {}", finding_name(factor.finding));
  return factor.finding == Finding::unclear ? "too few to say" : "no difference seen";
}

// Of those that matter, the better one of the two values, where it is not the present one already,
// else the other; as many as there is time for.
net::Status confirm(const Setup& setup, const Clock& clock, Search& search) {
  std::vector<Trial> all;
  for (const Factor& factor : search.factors) {
    if (matters(factor) && all.size() < kConfirmedMax) all.push_back({factor.name, {}});
  }
  if (all.empty() || search.samples == 0) return {};
  const auto present = present_values(setup.surroundings.copied, all);
  if (!present) return tl::unexpected(present.error());
  size_t i = 0;
  for (const Factor& factor : search.factors) {
    if (i == all.size()) break;
    if (!matters(factor)) continue;
    const bool high_is_better = factor.finding == Finding::better;
    const std::string& good = high_is_better ? factor.high : factor.low;
    const std::string& bad = high_is_better ? factor.low : factor.high;
    all[i].values = {good == (*present)[i] ? bad : good};
    ++i;
  }
  const double sample_s = clock.used_s() / static_cast<double>(search.samples) * kSlack;
  constexpr size_t kBaselines = 2;
  while (!all.empty()) {
    const double round_s = sample_s * static_cast<double>(all.size() + kBaselines);
    const auto pairs = static_cast<size_t>(std::max(clock.left_s(), 0.0) / round_s);
    if (pairs < ::measure::kPairsMin) {
      all.pop_back();
      continue;
    }
    auto result = measure_trials(setup, all, std::min(pairs, kPairsMax), show_progress);
    if (InterruptWatch::was_interrupted()) search.is_interrupted = true;
    if (!result && search.is_interrupted) return {};
    if (!result) return tl::unexpected(result.error());
    if (result->pairs > 0) search.confirmed = std::move(*result);
    return {};
  }
  return {};
}

std::string text_of(const Setup& setup, const Search& search) {
  const Metric& metric = setup.workload.metrics.front();
  std::string text;
  const auto add_paragraph = [&text](const std::string& paragraph) {
    for (const std::string& line : ringload::wrapped(paragraph)) text += line + "\n";
  };
  add_paragraph(fmt::format("{}: {}; over {}, Linux {}", setup.workload.name, setup.workload.about,
                            setup.wiring, kernel_release()));
  add_paragraph(fmt::format(
      "Effects on {} ({} is better), high to low, over {} replicates of a "
      "design, {} samples:",
      metric.name, metric.more_is_better ? "more" : "less", search.replicates, search.samples));
  text += "\n";
  for (const Factor& factor : search.factors) {
    text += fmt::format("  {:<38} {:>7} {:<18} {}\n    low {}, high {}\n", factor.name,
                        ratio_text(factor.effect.ratio), interval_text(factor.effect),
                        finding_words(factor), factor.low, factor.high);
  }
  if (search.is_interrupted) text += "\nINTERRUPTED: this is partial.\n";
  if (search.confirmed) {
    text += "\nThe strongest, each alone against the baseline:\n\n" + text_of(*search.confirmed);
  } else if (std::any_of(search.factors.begin(), search.factors.end(), matters)) {
    text += "\nNo time was left to confirm any of them: give a longer --budget.\n";
  }
  std::string idle;
  for (const Factor& factor : search.factors) {
    if (factor.finding == Finding::no_difference) idle += (idle.empty() ? "" : ", ") + factor.name;
  }
  if (!idle.empty()) {
    text += "\n";
    add_paragraph("Did not matter here: " + idle);
  }
  return text;
}

nlohmann::json json_of(const Setup& setup, const Search& search) {
  nlohmann::json json;
  if (search.confirmed) json = json_of(*search.confirmed);
  nlohmann::json factors = nlohmann::json::array();
  for (const Factor& factor : search.factors) {
    factors.push_back(
        {{"name", factor.name},
         {"low_value", factor.low},
         {"high_value", factor.high},
         {"ratio", factor.effect.ratio},
         {"low", factor.effect.low},
         {"high", std::isfinite(factor.effect.high) ? nlohmann::json(factor.effect.high)
                                                    : nlohmann::json()},
         {"verdict", finding_name(factor.finding)},
         {"effects", factor.effects}});
  }
  json["ringtune"] = RINGTUNE_VERSION;
  json["format"] = 1;
  json["command"] = "search";
  json["kernel"] = kernel_release();
  json["workload"] = setup.workload.name;
  json["interrupted"] = search.is_interrupted;
  json["screening"] = {{"samples", search.samples},
                       {"replicates", search.replicates},
                       {"factors", std::move(factors)}};
  if (!json.contains("parameters")) json["parameters"] = nlohmann::json::array();
  return json;
}

net::Status search_within(const Setup& setup, const Clock& clock, Search& search) {
  std::vector<Trial> trials;
  for (const Factor& factor : search.factors) {
    trials.push_back({factor.name, {factor.low, factor.high}});
  }
  if (const auto present = check_trials(setup, trials); !present) {
    return tl::unexpected(present.error());
  }
  if (auto status = screen(setup, clock, search); !status) return status;
  if (search.is_interrupted) return {};
  return confirm(setup, clock, search);
}

int search_command(const SearchOptions& options) {
  const auto budget_s = ringload::parse_time_s(options.budget);
  if (!budget_s) return trouble(budget_s.error());
  if (*budget_s < kBudgetMin_s) {
    return trouble({fmt::format("--budget {}", options.budget), 0, "1s is the least"});
  }
  const Clock clock(*budget_s);
  auto factors = factors_of(options);
  if (!factors) return trouble(factors.error());
  if (!options.json.empty()) {
    if (auto status = ringload::check_writable(options.json); !status) {
      return trouble(status.error());
    }
  }
  const InterruptWatch watch;
  const auto setup = prepare(options.setup);
  if (!setup) return trouble(setup.error());
  Search search;
  search.factors = std::move(*factors);
  if (auto status = search_within(*setup, clock, search); !status) return trouble(status.error());
  if (search.replicates == 0) {
    fmt::print(stderr, "ringtune: interrupted before anything was measured\n");
    return kExitInterrupted;
  }
  fmt::print("{}", text_of(*setup, search));
  if (!options.json.empty()) {
    const std::string text = json_of(*setup, search).dump(1) + "\n";
    if (auto status = ringload::write_file(options.json, text); !status) {
      return trouble(status.error());
    }
  }
  if (search.is_interrupted) return kExitInterrupted;
  return search.confirmed && !contains_one(search.confirmed->control) ? kExitNoisy : kExitDone;
}

}  // namespace

void add_search(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("search", "Which of several parameters matter to a workload");
  const auto options = std::make_shared<SearchOptions>();
  command->footer(kFooter);
  command->add_option("--names", options->names, "The parameters")
      ->option_text("A,B,C")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--set", options->sets, "Repeatable: a parameter with its two values")
      ->option_text("NAME=LOW,HIGH")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--budget", options->budget, "Ends within it; default 5m")
      ->option_text("TIME");
  add_setup_options(*command, options->setup);
  command->add_option("--json", options->json, "Everything")->option_text("FILE");
  add_command_options(*command, options->setup);
  command->callback([options, &run] { run = [options] { return search_command(*options); }; });
}

}  // namespace ringtune
