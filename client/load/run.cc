// The steps of a run, in order; each may end it with a message.
#include "client/load/run.h"

#include <fmt/format.h>

#include "client/load/coordinator.h"
#include "client/load/outputs.h"
#include "common/cli/mistakes.h"

namespace ringload {
namespace {

int failed(const net::Error& error) {
  fmt::print(stderr, "ringload: error: {}\n", error.message());
  return kExitFailed;
}

}  // namespace

int run(const Plan& plan) {
  if (auto checked = check_outputs(plan.files); !checked) {
    return cli::report_usage_error("ringload", checked.error().message());
  }
  auto coordinator = Coordinator::create(plan);
  if (!coordinator) return failed(coordinator.error());
  const auto outcome = (*coordinator)->run();
  if (!outcome) return failed(outcome.error());
  const net::Status printed = plan.quiet ? net::Status() : print_report(*outcome);
  if (auto written = write_outputs(plan.files, *outcome); !written) return failed(written.error());
  if (!printed) return failed(printed.error());
  if ((*coordinator)->interrupted()) return kExitInterrupted;
  return outcome->failed_conditions.empty() ? kExitDone : kExitCondition;
}

}  // namespace ringload
