// The catalogue's words about one parameter, with its present value beside them.
#include "client/tune/explain/explain.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "client/tune/catalogue/catalogue.h"
#include "client/tune/check/machine.h"
#include "client/tune/output.h"
#include "client/tune/text/terminal.h"

namespace ringtune {
namespace {

constexpr size_t kLabelColumns = 13;
constexpr size_t kListNameColumns = 48;

std::string field(std::string_view label, std::string_view text, const Terminal& terminal) {
  if (text.empty()) return {};
  return hanging(fmt::format("{:<{}}", label, kLabelColumns), text, terminal.columns);
}

std::string present_words(const Parameter& parameter, const Machine& machine) {
  const auto why = machine.unreadable.find(parameter.name);
  if (why != machine.unreadable.end()) return why->second;
  const auto found = machine.values.find(parameter.name);
  if (found == machine.values.end()) {
    return parameter.gone.empty() ? "not on this kernel, or not in this namespace"
                                  : "not there: Linux " + parameter.gone + " removed it";
  }
  return found->second.empty() ? "(empty)" : found->second;
}

std::string scope_line(const Parameter& parameter) {
  std::string text(scope_words(parameter.scope));
  if (parameter.scope == Scope::host) text += ": one for all namespaces";
  if (parameter.scope == Scope::network) text += ": each has its own";
  return text;
}

std::string refusals_of(const Parameter& parameter) {
  std::string text;
  for (const Refusal& refusal : parameter.refusals) {
    if (!text.empty()) text += '\n';
    text += fmt::format("{}: {}",
                        refusal.when == "any"     ? "any value"
                        : refusal.when == "lower" ? "a lower value"
                                                  : refusal.when,
                        refusal.why);
  }
  if (parameter.raise_only != RaiseOnly::no) {
    text += fmt::format("{}a lower value: it is only ever raised", text.empty() ? "" : "\n");
  }
  return text;
}

std::string explanation(const Parameter& parameter, const Machine& machine,
                        const Terminal& terminal) {
  std::string text = bold(parameter.name, terminal) + '\n';
  text += hanging("  ", parameter.brief, terminal.columns) + '\n';
  text += hanging("", parameter.does, terminal.columns) + '\n';
  text += field("now", present_words(parameter, machine), terminal);
  text += field("unit", parameter.unit, terminal);
  std::string usual = parameter.default_value;
  if (!parameter.default_from.empty()) {
    usual += (usual.empty() ? "" : ": ") + parameter.default_from;
  }
  text += field("default", usual, terminal);
  text += field("range", parameter.range, terminal);
  text += field("read by", parameter.read_by, terminal);
  text += field("belongs to", scope_line(parameter), terminal);
  if (parameter.scope != Scope::process) {
    text += field("Kubernetes",
                  parameter.kubernetes.empty() ? "not on the list of safe sysctls (as of 1.32)"
                                               : parameter.kubernetes,
                  terminal);
  }
  text += field("not set", refusals_of(parameter), terminal);
  text += field("folklore", parameter.folklore, terminal);
  if (!parameter.note.empty()) {
    text += field("note", fmt::format("kernel-notes/{}.md", parameter.note), terminal);
  }
  if (!parameter.experiment.empty()) {
    text += field(
        "experiment",
        fmt::format("{} (kernel-notes/run {})", parameter.experiment, parameter.note.substr(0, 2)),
        terminal);
  }
  return text;
}

int explain(const std::string& name) {
  const Parameter* parameter = find_parameter(name);
  if (parameter == nullptr) {
    const std::string near = near_parameter(name);
    return trouble(net::Error{fmt::format("'{}' is not in the catalogue", name), 0,
                              near.empty() ? "ringtune explain --list shows what is"
                                           : fmt::format("did you mean '{}'?", near)});
  }
  const auto machine = look_at_machine();
  if (!machine) return trouble(machine.error());
  return print(explanation(*parameter, *machine, standard_output()));
}

int list() {
  const Terminal terminal = standard_output();
  std::string text;
  for (const Parameter& parameter : catalogue()) {
    text += hanging(fmt::format("{:<{}}  ", parameter.name,
                                terminal.columns > kColumnsDefault ? kListNameColumns : 36),
                    parameter.brief, terminal.columns);
  }
  return print(text);
}

}  // namespace

void add_explain(CLI::App& app, Run& run) {
  CLI::App* command = app.add_subcommand(
      "explain", "What a parameter does on this kernel, its default, its folklore");
  struct Options {
    std::string name;
    bool list = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::Option* name =
      command->add_option("NAME", options->name, "net.ipv4.tcp_tw_reuse, or tcp_tw_reuse")
          ->option_text(" ");
  command->add_flag("--list", options->list, "All parameters, a line each")->excludes(name);
  command->callback([&run, options] {
    if (options->name.empty() && !options->list) {
      throw CLI::RequiredError("NAME, or --list");
    }
    run = [options] { return options->list ? list() : explain(options->name); };
  });
}

}  // namespace ringtune
