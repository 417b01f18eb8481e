// CLI11 says that an argument was not expected; added here: that it looked like an option, and
// which one is near.
#include "common/cli/mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace cli {
namespace {

// How many letters have to be changed, added or dropped.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

std::vector<std::string> long_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

}  // namespace

std::string nearest_name(const std::vector<std::string>& names, std::string_view wrong) {
  std::string best;
  size_t best_distance = wrong.size() / 3 + 1;  // farther is another word, not a slip
  for (const std::string& name : names) {
    const size_t distance = edit_distance(wrong, name);
    if (distance >= best_distance) continue;
    best = name;
    best_distance = distance;
  }
  return best;
}

int report(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  std::string message = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    for (const std::string& extra : app.remaining(true)) {
      const std::string name = extra.substr(0, extra.find('='));
      if (name.rfind('-', 0) != 0) continue;
      message = fmt::format("unknown option '{}'", name);
      const std::string near = nearest_name(long_options(app), name);
      if (!near.empty()) message += fmt::format(" - did you mean '{}'?", near);
      break;
    }
  }
  return report_usage_error(app.get_name(), message);
}

int report_usage_error(const std::string& program, const std::string& message) {
  fmt::print(stderr, "{0}: error: {1}\n{0} --help lists the options\n", program, message);
  return kExitUsage;
}

}  // namespace cli
