// The worst first. From some width on a finding is a row, below it a paragraph.
#include "client/tune/check/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "client/tune/measure/limits.h"

namespace ringtune {
namespace {

constexpr size_t kRowColumnsMin = 110;
constexpr size_t kVerdictColumns = 7;
constexpr size_t kNameColumns = 34;
constexpr size_t kValueColumns = 21;

std::string painted(Verdict verdict, const Terminal& terminal) {
  const std::string word = fmt::format("{:<{}}", verdict_word(verdict), kVerdictColumns);
  if (verdict == Verdict::breaks) return red(word, terminal);
  if (verdict == Verdict::tight) return yellow(word, terminal);
  return word;
}

std::string shown_value(const Finding& finding) {
  return finding.present.empty() ? "(empty)" : finding.present;
}

std::string body_of(const Finding& finding) {
  std::string body = finding.arithmetic;
  if (!finding.advice.empty()) body += "\ndo: " + finding.advice;
  if (finding.wanted) {
    body += fmt::format("\nset {} = {}", finding.parameter->name, *finding.wanted);
  }
  const bool is_bad = finding.verdict == Verdict::breaks || finding.verdict == Verdict::tight;
  if (is_bad && !finding.parameter->note.empty()) {
    body += fmt::format("\nwhy: kernel-notes/{}.md", finding.parameter->note);
  }
  return body;
}

std::string finding_text(const Finding& finding, const Terminal& terminal) {
  const std::string word = painted(finding.verdict, terminal);
  if (terminal.columns >= kRowColumnsMin) {
    const size_t body_columns =
        terminal.columns - kVerdictColumns - kNameColumns - kValueColumns - 6;
    std::string row = beside({{std::string(verdict_word(finding.verdict)), kVerdictColumns},
                              {finding.parameter->name, kNameColumns},
                              {shown_value(finding), kValueColumns},
                              {body_of(finding), body_columns}});
    return word + row.substr(kVerdictColumns);
  }
  return fmt::format("{}  {} = {}\n", word, bold(finding.parameter->name, terminal),
                     shown_value(finding)) +
         hanging(std::string(kVerdictColumns + 2, ' '), body_of(finding), terminal.columns);
}

// Those that lack a number, by the number that they lack.
std::string unasked_text(const CheckReport& report, const Terminal& terminal) {
  std::map<std::string, std::string> names_of;
  for (const Finding& finding : report.findings) {
    if (finding.verdict != Verdict::unasked) continue;
    std::string& names = names_of[finding.arithmetic];
    names += (names.empty() ? "" : ", ") + finding.parameter->name;
  }
  if (names_of.empty()) return {};
  std::string text = "\nNot judged, for want of a number:\n";
  for (const auto& [why, names] : names_of) {
    text += hanging("  ", why + ": " + names, terminal.columns);
  }
  return text;
}

std::string no_matter_text(const CheckReport& report, const Terminal& terminal, bool all) {
  const size_t count = report.count(Verdict::no_matter);
  if (count == 0) return {};
  if (!all) return fmt::format("\n{} others do not matter here (--all shows them).\n", count);
  std::string text = "\nThese do not matter here:\n";
  for (const Finding& finding : report.findings) {
    if (finding.verdict != Verdict::no_matter) continue;
    text += hanging("  ",
                    fmt::format("{} = {}: {}", finding.parameter->name, shown_value(finding),
                                finding.arithmetic),
                    terminal.columns);
  }
  return text;
}

std::string heading(const CheckReport& report, const Terminal& terminal) {
  const char* purpose = report.expected.serve && report.expected.load ? "serving and load tests"
                        : report.expected.serve                       ? "serving"
                                                                      : "load tests";
  const std::string words = expectation_words(report.expected);
  const std::string line =
      fmt::format("Linux {}, for {}{}{}", report.kernel, purpose,
                  words.empty() ? ", nothing said by --expect" : ", expected: ", words);
  return hanging("", line, terminal.columns) + '\n';
}

std::string summary(const CheckReport& report) {
  const size_t breaks = report.count(Verdict::breaks);
  const size_t tight = report.count(Verdict::tight);
  return fmt::format(
      "\n{} {}, {} tight, {} ok.\n", breaks == 0 ? "Nothing" : std::to_string(breaks),
      breaks == 1 || breaks == 0 ? "breaks" : "break", tight, report.count(Verdict::ok));
}

// Of `ringtune measure`: what is nearest to what was expected.
std::string workload_for(const Expectation& expected) {
  std::string text = "    --workload ";
  std::optional<uint64_t> connections = expected.connections;
  if (expected.new_per_s) {
    text += "churn";
  } else if (expected.burst) {
    text += "burst";
    connections = expected.burst;
  } else {
    text += expected.bandwidth_bit_per_s ? "large" : "small";
  }
  if (connections) {
    text += fmt::format(" --connections {}", std::min<uint64_t>(*connections, kConnectionsMax));
  }
  if (expected.rtt_ms && !expected.loopback) {
    text += fmt::format(" --rtt-ms {}", std::min(*expected.rtt_ms, kRttMax_ms));
  }
  return text + '\n';
}

// What to type to find out which of them costs anything: a verdict is arithmetic, no experiment.
std::string next_step(const CheckReport& report, const Terminal& terminal) {
  std::string sets;
  for (const Finding& finding : report.findings) {
    const bool is_bad = finding.verdict == Verdict::breaks || finding.verdict == Verdict::tight;
    // A comma would be read as two values.
    if (!is_bad || !finding.wanted || finding.parameter->scope != Scope::network ||
        finding.wanted->find(',') != std::string::npos) {
      continue;
    }
    const bool has_space = finding.wanted->find(' ') != std::string::npos;
    const char* quote = has_space ? "'" : "";
    sets += fmt::format("    --set {0}{1}={2}{0} \\\n", quote, finding.parameter->name,
                        *finding.wanted);
  }
  if (sets.empty()) return {};
  return '\n' +
         hanging("", "Which of them costs anything, each alone, in networks of their own:",
                 terminal.columns) +
         "  ringtune measure \\\n" + sets + workload_for(report.expected) +
         hanging("", "or, instead of --workload, your own load test: -- COMMAND", terminal.columns);
}

}  // namespace

size_t CheckReport::count(Verdict verdict) const {
  return static_cast<size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [verdict](const Finding& finding) { return finding.verdict == verdict; }));
}

std::string report_text(const CheckReport& report, const Terminal& terminal, bool all) {
  std::string text = heading(report, terminal);
  for (const Verdict verdict : {Verdict::breaks, Verdict::tight, Verdict::ok}) {
    for (const Finding& finding : report.findings) {
      if (finding.verdict == verdict) text += finding_text(finding, terminal);
    }
  }
  return text + unasked_text(report, terminal) + no_matter_text(report, terminal, all) +
         summary(report) + next_step(report, terminal);
}

nlohmann::ordered_json report_json(const CheckReport& report) {
  using nlohmann::ordered_json;
  ordered_json purposes = ordered_json::array();
  if (report.expected.serve) purposes.push_back("serve");
  if (report.expected.load) purposes.push_back("load");
  ordered_json parameters = ordered_json::array();
  for (const Finding& finding : report.findings) {
    ordered_json each = {{"name", finding.parameter->name},
                         {"present", finding.present},
                         {"verdict", verdict_word(finding.verdict)},
                         {"arithmetic", finding.arithmetic},
                         {"scope", scope_words(finding.parameter->scope)}};
    if (!finding.advice.empty()) each["advice"] = finding.advice;
    if (finding.wanted) each["wanted"] = *finding.wanted;
    if (!finding.parameter->note.empty()) {
      each["note"] = fmt::format("kernel-notes/{}.md", finding.parameter->note);
    }
    parameters.push_back(std::move(each));
  }
  return {{"ringtune", RINGTUNE_VERSION},
          {"format", kCheckFormat},
          {"command", "check"},
          {"kernel", report.kernel},
          {"for", purposes},
          {"expect", expectation_words(report.expected)},
          {"breaks", report.count(Verdict::breaks)},
          {"tight", report.count(Verdict::tight)},
          {"parameters", parameters}};
}

}  // namespace ringtune
