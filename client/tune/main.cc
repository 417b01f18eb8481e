// ringtune: the command line; every subcommand is in the folder of its name.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "client/tune/apply/apply.h"
#include "client/tune/apply/diff.h"
#include "client/tune/check/check.h"
#include "client/tune/command.h"
#include "client/tune/emit/emit.h"
#include "client/tune/explain/explain.h"
#include "client/tune/measure/measure.h"
#include "common/cli/mistakes.h"

#ifndef RINGTUNE_VERSION
#error "the build defines RINGTUNE_VERSION"
#endif

namespace {

constexpr const char* kAbout =
    "Kernel parameters for file servers and load tests: what each does on this kernel, whether "
    "the\n"
    "present values will do, and by how much another value would change anything.";

// CLI11 would only say that a subcommand is missing.
int report_unknown_command(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  const std::string near = cli::nearest_name(names, word);
  return cli::report_usage_error(
      app.get_name(), near.empty()
                          ? fmt::format("unknown command '{}'", word)
                          : fmt::format("unknown command '{}' - did you mean '{}'?", word, near));
}

bool has_command(const CLI::App& app, const std::string& word) {
  const auto commands = app.get_subcommands({});
  return std::any_of(commands.begin(), commands.end(),
                     [&](const CLI::App* command) { return command->get_name() == word; });
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ringtune;
  CLI::App app(kAbout, "ringtune");
  app.set_version_flag("--version", "ringtune " RINGTUNE_VERSION);
  app.require_subcommand(1);
  Run run;
  add_check(app, run);
  add_explain(app, run);
  add_measure(app, run);
  add_search(app, run);
  add_emit(app, run);
  add_diff(app, run);
  add_apply(app, run);
  const std::string first = argc > 1 ? argv[1] : "";
  if (!first.empty() && first.front() != '-' && !has_command(app, first)) {
    return report_unknown_command(app, first);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli::report(app, error);
  }
  return run();
}
