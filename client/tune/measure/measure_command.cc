// The command line of `ringtune measure`, and its way from there to a result.
#include <fmt/format.h>

#include <fstream>
#include <memory>

#include "client/load/report/files.h"
#include "client/tune/measure/cell.h"
#include "client/tune/measure/measure.h"
#include "client/tune/measure/result.h"
#include "client/tune/measure/run_measure.h"
#include "client/tune/output.h"
#include "common/cli/mistakes.h"

namespace ringtune {
namespace {

constexpr size_t kPairsMax = 10'000;
constexpr const char* kFooter =
    "Each sample has a fresh user and network namespace with a copy of this host's net.core.* and\n"
    "net.ipv4.*; the host itself is never written to, and nobody needs to be root.\n\n"
    "Exit status: 0 measured, 2 a mistake or something could not be done, 4 the machine is too\n"
    "noisy, 130 interrupted (what is there is told, marked as partial).";

struct MeasureOptions {
  SetupOptions setup;
  std::vector<std::string> sets;
  size_t pairs = 10;
  std::string json;
  std::string report;
};

net::Status write_outputs(const MeasureOptions& options, const MeasureResult& result) {
  if (!options.json.empty()) {
    const std::string text =
        json_of(result).dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (auto status = ringload::write_file(options.json, text + "\n"); !status) return status;
  }
  if (!options.report.empty()) return ringload::write_file(options.report, html_of(result));
  return {};
}

net::Status check_outputs(const MeasureOptions& options) {
  for (const std::string& path : {options.json, options.report}) {
    if (path.empty()) continue;
    if (auto status = ringload::check_writable(path); !status) return status;
  }
  return {};
}

int interrupted_early() {
  fmt::print(stderr, "ringtune: interrupted before anything was measured\n");
  return kExitInterrupted;
}

int measure_command(const MeasureOptions& options) {
  std::vector<Trial> trials;
  for (const std::string& text : options.sets) {
    auto trial = parse_trial(text);
    if (!trial) return trouble(trial.error());
    trials.push_back(std::move(*trial));
  }
  if (auto status = check_outputs(options); !status) return trouble(status.error());
  const InterruptWatch watch;
  const auto setup = prepare(options.setup);
  if (!setup) return watch.was_interrupted() ? interrupted_early() : trouble(setup.error());
  const auto result = measure_trials(*setup, trials, options.pairs, show_progress);
  show_progress(1, 1, 0);  // its line goes, however it ended
  if (!result) return watch.was_interrupted() ? interrupted_early() : trouble(result.error());
  if (result->pairs == 0) return interrupted_early();
  fmt::print("{}", text_of(*result));
  if (auto status = write_outputs(options, *result); !status) return trouble(status.error());
  if (result->is_interrupted) return kExitInterrupted;
  return contains_one(result->control) ? kExitDone : kExitNoisy;
}

}  // namespace

void add_measure(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("measure", "By how much a value changes what a server does, and why");
  const auto options = std::make_shared<MeasureOptions>();
  command->footer(kFooter);
  command
      ->add_option("--set", options->sets,
                   "Repeatable: values to try, each against the\npresent one; V1;V2 where a "
                   "value holds a comma")
      ->option_text("NAME=V1,V2")
      ->required()
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--pairs", options->pairs, "Rounds; default 10")
      ->option_text("N")
      ->check(CLI::Range(::measure::kPairsMin, kPairsMax));
  add_setup_options(*command, options->setup);
  command->add_option("--json", options->json, "Everything, the samples too")->option_text("FILE");
  command->add_option("--report", options->report, "One self-contained page")
      ->option_text("FILE.html");
  add_command_options(*command, options->setup);
  command->callback([options, &run] { run = [options] { return measure_command(*options); }; });
}

}  // namespace ringtune
