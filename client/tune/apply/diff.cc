// Shows what differs, and what there is to be said against the file's side of it.
#include "client/tune/apply/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "client/tune/apply/compare.h"
#include "client/tune/output.h"
#include "client/tune/text/terminal.h"

namespace ringtune {
namespace {

constexpr const char* kIndent = "           ";

constexpr const char* kFooter =
    "The file is one of sysctl.d(5), \"-\" the standard input. Patterns are not expanded.\n"
    "Exit status: 0 the system is as the file says, 1 it is not, 2 a mistake in the file, or it\n"
    "cannot be read.";

std::string comparison_text(const Comparison& one, const Terminal& terminal) {
  const std::string& name = one.wanted.name;
  switch (one.state) {
    case State::equal: return fmt::format("equal      {} = {}\n", name, shown(one.present));
    case State::missing:
      return hanging("missing    ", fmt::format("{}: {}", name, one.error), terminal.columns);
    case State::unreadable:
      return hanging("unreadable ", fmt::format("{}: {}", name, one.error), terminal.columns);
    case State::differs: break;
  }
  std::string text = yellow("differs", terminal) + "    " + bold(name, terminal) + '\n';
  text += fmt::format("{}here  {}\n{}file  {}\n", kIndent, shown(one.present), kIndent,
                      shown(one.wanted.value));
  if (!one.objection.empty()) {
    text += hanging(std::string(kIndent) + "but   ", one.objection, terminal.columns);
  }
  return text;
}

int diff(const std::string& path) {
  const auto file = read_sysctl_file(path);
  if (!file) return trouble(file.error());
  if (!file->mistakes.empty()) {
    fmt::print(stderr, "{}", mistakes_text(path, *file));
    return kExitTrouble;
  }
  const auto proc_sys = ProcSys::open();
  if (!proc_sys) return trouble(proc_sys.error());
  const auto all = compare(*file, *proc_sys);
  const Terminal terminal = standard_output();
  std::string text;
  for (const Comparison& one : all) text += comparison_text(one, terminal);
  const auto equal = std::count_if(all.begin(), all.end(), [](const Comparison& one) {
    return one.state == State::equal || (one.state != State::differs && !one.is_needed());
  });
  const auto different = static_cast<std::ptrdiff_t>(all.size()) - equal;
  text += different == 0
              ? fmt::format("The system is as the file says ({} of {}).\n", equal, all.size())
              : fmt::format("{} of {} parameters differ.\n", different, all.size());
  const int printed = print(text);
  if (printed != kExitDone) return printed;
  return different == 0 ? kExitDone : kExitFound;
}

}  // namespace

void add_diff(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand("diff", "A sysctl.d file against the running system");
  const auto path = std::make_shared<std::string>();
  command->add_option("FILE", *path, "As ringtune emit writes it, or any other")
      ->required()
      ->option_text(" ");
  command->footer(kFooter);
  command->callback([&run, path] { run = [path] { return diff(*path); }; });
}

}  // namespace ringtune
