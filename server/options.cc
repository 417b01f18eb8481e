// CLI11 reads the command line into a layer of texts; what they mean is said once, in
// config/settings.h, for it and the configuration file.
#include "server/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <optional>

#include "common/cli/mistakes.h"
#include "server/config/assemble.h"
#include "server/config/check.h"

#ifndef RINGSERVE_VERSION
#error "the build defines RINGSERVE_VERSION"
#endif

namespace ringserve {
namespace {

constexpr size_t kHelpColumn = 28;
constexpr const char* kServing = "Serving";

struct CommandLine {
  config::Layer layer;
  std::string config_path;
  bool print_tuning = false;
};

// What CLI11 found for one setting.
struct Given {
  const config::Setting* setting;
  std::vector<std::string> texts;
};

void add_setting(CLI::App& app, Given& given) {
  const config::Setting& setting = *given.setting;
  std::vector<std::string>& texts = given.texts;
  if (setting.takes == config::Takes::flag) {
    const auto set = [&texts](int64_t count) { texts = {count > 0 ? "true" : "false"}; };
    app.add_flag_function("--" + setting.name, set, setting.help)->group(setting.group);
    return;
  }
  const bool is_positional = setting.command_line == config::CommandLine::positional;
  CLI::Option* option = nullptr;
  if (setting.times == config::Times::once) {
    const auto set = [&texts](const std::string& text) { texts = {text}; };
    option = app.add_option_function<std::string>(is_positional ? "ROOT" : "--" + setting.name, set,
                                                  setting.help);
  } else {
    option = app.add_option("--" + setting.name, texts, setting.help)->take_all();
  }
  option->option_text(setting.placeholder)->allow_extra_args(false);
  if (!is_positional) option->group(setting.group);
}

// An unset variable of a script must not start a server without its configuration.
std::string refuse_empty(const std::string& path) {
  return path.empty() ? "must be the path of a file" : "";
}

// False where CLI11 has said or refused something.
bool read_command_line(int argc, char** argv, CommandLine& line, int& exit_status) {
  CLI::App app("Serves the files below ROOT over HTTP/1.1, from io_uring, without copying them.",
               "ringserve");
  app.get_formatter()->column_width(kHelpColumn);
  app.footer("ringserve check FILE explains the mistakes of a configuration file.");
  app.allow_extras(false);
  app.set_version_flag("--version", "ringserve " RINGSERVE_VERSION);
  app.add_option("--config", line.config_path,
                 "All of these settings from a TOML file, and sites\nby name; what stands here "
                 "too counts here")
      ->option_text("FILE")
      ->group(kServing)
      ->check(CLI::Validator(refuse_empty, ""));
  std::deque<Given> all;  // CLI11 keeps references into it
  for (const config::Setting& setting : config::settings()) {
    if (setting.command_line == config::CommandLine::absent) continue;
    add_setting(app, all.emplace_back(Given{&setting, {}}));
    if (setting.name != "tuning") continue;
    app.add_flag("--print-tuning", line.print_tuning, "Print the tuning in force, as such a file")
        ->group(kServing);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_status = cli::report(app, error);
    return false;
  }
  for (Given& given : all) {
    if (given.texts.empty()) continue;
    config::Said& said = line.layer.emplace_back(config::Said{given.setting, {}});
    for (std::string& text : given.texts) said.texts.push_back({std::move(text)});
  }
  return true;
}

int report(const config::Mistakes& mistakes, const std::optional<config::Document>& document) {
  fmt::print(
      stderr, "{}",
      config::explain(mistakes, document ? document->path : "", document ? document->text : ""));
  const bool is_of_command_line = std::ranges::any_of(
      mistakes, [](const config::Mistake& mistake) { return mistake.place.line == 0; });
  if (is_of_command_line) fmt::print(stderr, "ringserve --help lists the options\n");
  return cli::kExitUsage;
}

int print_tuning(const send::NamedTuning& tuning) {
  fmt::print("{}", send::tuning_json(tuning));
  if (std::fflush(stdout) == 0) return 0;
  fmt::print(stderr, "ringserve: error: --print-tuning: stdout: {}\n", net::errno_name(errno));
  return 1;
}

}  // namespace

bool parse_options(int argc, char** argv, Options& options, int& exit_status) {
  if (argc > 1 && std::string_view(argv[1]) == "check") {
    exit_status = config::check(argc - 1, argv + 1);
    return false;
  }
  CommandLine line;
  if (!read_command_line(argc, argv, line, exit_status)) return false;
  config::Mistakes mistakes;
  config::Loaded loaded = config::load(line.layer, line.config_path, mistakes);
  if (!line.print_tuning) config::require_roots(loaded, mistakes);
  if (config::count_errors(mistakes) > 0) {
    exit_status = report(mistakes, loaded.document);
    return false;
  }
  if (line.print_tuning) {
    exit_status = print_tuning(loaded.assembled.options.tuning);
    return false;
  }
  options = std::move(loaded.assembled.options);
  return true;
}

std::string_view name_of(send::PathName path) { return send::info_of(path).name; }

}  // namespace ringserve
