// Options, then machine, judges, report; each elsewhere.
#include "client/tune/check/check.h"

#include <fmt/format.h>

#include "client/tune/output.h"

namespace ringtune {
namespace {

constexpr const char* kExpectHelp =
    "connections=20000,new_per_s=3000,rtt_ms=30,\nbandwidth=10Gbit; also burst=N, idle_s=N,\n"
    "sources=N, destinations=N, port=N (where the\nserver listens), loopback, close=client or\n"
    "close=server (who closes first)";

constexpr const char* kFooter =
    "Every verdict comes with its arithmetic: breaks (the expectation will not be met), tight, "
    "ok.\n"
    "Numbers that --expect does not give are not guessed; what needs them is listed as not "
    "judged.\n"
    "Exit status: 0 nothing breaks, 1 something does, 2 a mistake, or the machine cannot be read.";

struct CheckOptions {
  ExpectOptions expect;
  bool json = false;
  bool all = false;
};

int check(const CheckOptions& options) {
  const auto report = look_and_judge(options.expect);
  if (!report) return trouble(report.error());
  const std::string text = options.json ? report_json(*report).dump(2) + '\n'
                                        : report_text(*report, standard_output(), options.all);
  const int printed = print(text);
  if (printed != kExitDone) return printed;
  return report->count(Verdict::breaks) > 0 ? kExitFound : kExitDone;
}

}  // namespace

void add_expect_options(CLI::App& command, ExpectOptions& options) {
  command
      .add_option("--for", options.purpose,
                  "serve: a file server runs here; load: a load test;\n"
                  "default both")
      ->option_text("WHAT")
      ->check(CLI::IsMember({"serve", "load"}));
  command.add_option("--expect", options.expect, kExpectHelp)->option_text("LIST");
}

net::Result<CheckReport> look_and_judge(const ExpectOptions& options) {
  auto expected = parse_expectation(options.purpose, options.expect);
  if (!expected) return tl::unexpected(expected.error());
  const auto machine = look_at_machine();
  if (!machine) return tl::unexpected(machine.error());
  return CheckReport{machine->kernel, *expected, judge(*machine, *expected)};
}

void add_check(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("check", "Whether the present values will do for what is expected");
  const auto options = std::make_shared<CheckOptions>();
  add_expect_options(*command, options->expect);
  command->add_flag("--json", options->json, "For programs");
  command->add_flag("--all", options->all, "Also what does not matter");
  command->footer(kFooter);
  command->callback([&run, options] { run = [options] { return check(*options); }; });
}

}  // namespace ringtune
