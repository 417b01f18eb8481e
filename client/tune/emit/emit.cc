// The findings that have a value which would do, then the measurements; a measurement of a
// parameter takes the place of its arithmetic.
#include "client/tune/emit/emit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "client/tune/check/check.h"
#include "client/tune/output.h"
#include "client/tune/text/terminal.h"

namespace ringtune {
namespace {

constexpr const char* kFooter =
    "Each line has its reason above it: the arithmetic of ringtune check, or the measurement. Put\n"
    "the file into /etc/sysctl.d, or try it first: ringtune apply FILE, which writes a way back.\n"
    "Exit status: 0, also where nothing is to be set; 2 a mistake, or something cannot be read.";

std::string comment(std::string_view text) { return hanging("# ", text, kColumnsDefault); }

// hanging() indents what follows; in the file, each line is a comment.
std::string comment_block(std::string_view text) {
  std::string block = comment(text);
  for (size_t at = block.find("\n  "); at != std::string::npos; at = block.find("\n  ", at + 1)) {
    block[at + 1] = '#';
  }
  return block;
}

std::string scope_remark(const Parameter& parameter) {
  if (parameter.scope == Scope::host) return "; of the whole host";
  return {};
}

std::string note_remark(const Parameter& parameter) {
  return parameter.note.empty() ? std::string()
                                : fmt::format(" (kernel-notes/{}.md)", parameter.note);
}

const Finding* finding_of(const CheckReport& report, const std::string& name) {
  for (const Finding& finding : report.findings) {
    if (finding.parameter->name == name) return &finding;
  }
  return nullptr;
}

bool is_measured(const std::optional<Measured>& measured, const std::string& name) {
  return measured && std::any_of(measured->parameters.begin(), measured->parameters.end(),
                                 [&](const MeasuredParameter& one) { return one.name == name; });
}

std::string assignment(const Parameter& parameter, std::string_view reason,
                       const std::string& value) {
  return comment_block(
             fmt::format("{}{}{}", reason, scope_remark(parameter), note_remark(parameter))) +
         fmt::format("{} = {}\n\n", parameter.name, value);
}

std::string arithmetic_lines(const CheckReport& report, const std::optional<Measured>& measured) {
  std::string text;
  for (const Finding& finding : report.findings) {
    const Parameter& parameter = *finding.parameter;
    const bool is_bad = finding.verdict == Verdict::breaks || finding.verdict == Verdict::tight;
    if (!is_bad || is_measured(measured, parameter.name)) continue;
    const std::string reason = fmt::format("was {}: {}", finding.present, finding.arithmetic);
    const bool has_line = finding.wanted && parameter.scope != Scope::process &&
                          refusal_of(parameter, finding.present, *finding.wanted) == nullptr;
    if (has_line) {
      text += assignment(parameter, reason, *finding.wanted);
    } else {
      text += comment_block(fmt::format("{} {}; do: {}", parameter.name, reason, finding.advice)) +
              '\n';
    }
  }
  return text;
}

std::string figure(const std::string& value, const MeasuredRatio& ratio) {
  const auto text = [](const std::optional<double>& number) {
    return number ? fmt::format("{:.2f}", *number) : std::string("?");
  };
  return fmt::format("{}: {} [{}, {}], {}", value, text(ratio.ratio), text(ratio.low),
                     text(ratio.high), ratio.verdict);
}

// The value that was better by most, whichever direction is the better one.
const MeasuredValue* best_of(const MeasuredParameter& measured) {
  const MeasuredValue* best = nullptr;
  const auto distance = [](const MeasuredValue& value) {
    return value.ratio && *value.ratio > 0 ? std::abs(std::log(*value.ratio)) : 0;
  };
  for (const MeasuredValue& value : measured.values) {
    if (value.verdict != "better") continue;
    if (best == nullptr || distance(value) > distance(*best)) best = &value;
  }
  return best;
}

std::string measured_lines(const MeasuredParameter& measured, const CheckReport& report,
                           bool is_noisy) {
  std::string reason = fmt::format("measured against {}: ", measured.baseline);
  for (size_t i = 0; i < measured.values.size(); ++i) {
    reason += (i > 0 ? "; " : "") + figure(measured.values[i].value, measured.values[i]);
  }
  const MeasuredValue* best = is_noisy ? nullptr : best_of(measured);
  if (best == nullptr) return comment_block(measured.name + " is left alone, " + reason) + '\n';
  const Finding* finding = finding_of(report, measured.name);
  if (finding == nullptr) {
    return comment_block(reason) + fmt::format("{} = {}\n\n", measured.name, best->value);
  }
  const Parameter& parameter = *finding->parameter;
  const std::string refused = [&]() -> std::string {
    if (const Refusal* refusal = refusal_of(parameter, finding->present, best->value)) {
      return refusal->why;
    }
    if (lowers(parameter, finding->present, best->value)) {
      return fmt::format("it would lower {}", finding->present);
    }
    return {};
  }();
  if (!refused.empty()) {
    return comment_block(fmt::format("{} = {} is not set, since {}; {}", measured.name, best->value,
                                     refused, reason)) +
           '\n';
  }
  return assignment(parameter, reason, best->value);
}

// Low and high may both be far from the present value: a screening alone sets nothing.
std::string screened_line(const ScreenedParameter& screened) {
  const bool matters = screened.high.verdict == "better" || screened.high.verdict == "worse";
  return comment_block(fmt::format("{} was screened only, against {}: {}{}", screened.name,
                                   screened.low_value, figure(screened.high_value, screened.high),
                                   matters ? "; ringtune measure tells what it does alone" : "")) +
         '\n';
}

int emit(const ExpectOptions& options, const std::string& from) {
  std::optional<Measured> measured;
  if (!from.empty()) {
    auto read = read_measured(from);
    if (!read) return trouble(read.error());
    measured = std::move(*read);
  }
  const auto report = look_and_judge(options);
  if (!report) return trouble(report.error());
  return print(conf_text(*report, measured));
}

}  // namespace

std::string conf_text(const CheckReport& report, const std::optional<Measured>& measured) {
  const std::string expected = expectation_words(report.expected);
  std::string text =
      comment_block(fmt::format("Written by ringtune {} on Linux {}{}{}.", RINGTUNE_VERSION,
                                report.kernel, expected.empty() ? "" : ", for ", expected));
  if (measured) {
    text += comment_block(fmt::format("Measured on Linux {}, workload {}{}.", measured->kernel,
                                      measured->workload,
                                      measured->is_interrupted ? ", interrupted" : ""));
    if (measured->is_noisy) {
      text += comment_block(
          "NOTHING MEASURED IS SET: the control, the same against itself, was not the same; the "
          "machine was too noisy.");
    }
  }
  text += "# ringtune diff FILE compares it with a system, ringtune explain NAME says more.\n\n";
  std::string lines = arithmetic_lines(report, measured);
  if (measured) {
    for (const MeasuredParameter& one : measured->parameters) {
      lines += measured_lines(one, report, measured->is_noisy);
    }
    for (const ScreenedParameter& one : measured->screened) {
      if (!is_measured(measured, one.name)) lines += screened_line(one);
    }
  }
  if (lines.empty()) lines = "# Nothing has to be set: the present values will do.\n";
  while (lines.ends_with("\n\n")) lines.pop_back();
  return text + lines;
}

void add_emit(CLI::App& app, Run& run) {
  CLI::App* command =
      app.add_subcommand("emit", "A sysctl.d file, with a reason or a measurement for each line");
  struct Options {
    ExpectOptions expect;
    std::string from;
  };
  const auto options = std::make_shared<Options>();
  add_expect_options(*command, options->expect);
  command
      ->add_option("--from", options->from,
                   "What ringtune measure --json or\nringtune search --json wrote")
      ->option_text("FILE");
  command->footer(kFooter);
  command->callback(
      [&run, options] { run = [options] { return emit(options->expect, options->from); }; });
}

}  // namespace ringtune
