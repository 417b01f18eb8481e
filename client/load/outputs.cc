// Whether files can be written is tried before the run, so that a wrong directory costs nothing;
// what was in them stays there until there is something new to write.
#include "client/load/outputs.h"

#include <fmt/format.h>

#include <cstdio>
#include <set>

#include "client/load/merge.h"
#include "client/load/report/csv.h"
#include "client/load/report/files.h"
#include "client/load/report/hgrm.h"
#include "client/load/report/html.h"
#include "client/load/report/json.h"
#include "client/load/report/text.h"
#include "common/cli/mistakes.h"

namespace ringload {
namespace {

net::Status write_if_asked(const std::string& path, const std::string& text) {
  return path.empty() ? net::Status() : write_file(path, text);
}

int merge_and_report(const MergeCommand& command, Outcome& outcome) {
  for (const Condition& condition : command.fail_if) {
    if (auto reason = violation(condition, outcome)) outcome.failed_conditions.push_back(*reason);
  }
  net::Status status = write_outputs(command.files, outcome);
  if (status) status = write_if_asked(command.files.csv, csv_of(outcome));
  if (status && !command.quiet) status = print_report(outcome);
  if (!status) {
    fmt::print(stderr, "ringload: error: {}\n", status.error().message());
    return kExitFailed;
  }
  return outcome.failed_conditions.empty() ? kExitDone : kExitCondition;
}

}  // namespace

net::Status print_report(const Outcome& outcome) {
  fmt::print("{}", text_report(outcome));
  if (std::fflush(stdout) == 0) return {};
  return net::fail("write the report to stdout", errno);
}

net::Status check_outputs(const OutputFiles& files) {
  std::set<std::string> names;
  for (const std::string* path : {&files.json, &files.csv, &files.hgrm, &files.html}) {
    if (path->empty()) continue;
    if (*path == "-")
      return net::fail("'-' is no file", 0, "stdout is for the report; name a file");
    if (!names.insert(*path).second) {
      return net::fail(fmt::format("'{}' is named for two outputs", *path), 0);
    }
    if (auto writable = check_writable(*path); !writable) return writable;
  }
  return files.html.empty() ? net::Status() : check_plotter();
}

net::Status write_outputs(const OutputFiles& files, const Outcome& outcome) {
  net::Status status =
      files.json.empty() ? net::Status() : write_file(files.json, to_json(outcome));
  if (status)
    status = write_if_asked(files.hgrm, files.hgrm.empty() ? "" : hgrm_of(outcome.latency_ns));
  if (!status || files.html.empty()) return status;
  auto page = html_report(outcome);
  if (!page) return tl::unexpected(page.error());
  return write_file(files.html, *page);
}

int run_merge(const MergeCommand& command) {
  if (auto checked = check_outputs(command.files); !checked) {
    return cli::report_usage_error("ringload", checked.error().message());
  }
  auto outcome = merge_files(command.inputs);
  if (!outcome) {
    fmt::print(stderr, "ringload: error: {}\n", outcome.error().message());
    return kExitFailed;
  }
  return merge_and_report(command, *outcome);
}

}  // namespace ringload
