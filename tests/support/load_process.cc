// Starts ringload and reads its --json file. It relies on the documented keys alone, and must
// never forgive a missing one.
#include "tests/support/load_process.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace support {
namespace {

using nlohmann::json;

constexpr const char* kJsonName = "run.json";
// Exit statuses of runs that have a result.
constexpr int kDone = 0;
constexpr int kCondition = 3;
constexpr int kInterrupted = 130;

const json& at_path(const json& root, const std::string& path) {
  std::string pointer = "/" + path;
  std::replace(pointer.begin(), pointer.end(), '.', '/');
  return root.at(json::json_pointer(pointer));
}

std::uint64_t sum(const json& counts) {
  std::uint64_t total = 0;
  for (const auto& each : counts.items()) total += each.value().get<std::uint64_t>();
  return total;
}

std::vector<std::string> command_line(std::vector<std::string> arguments,
                                      const std::string& json_file) {
  arguments.insert(arguments.begin(), {ringload_binary(), "--json", json_file});
  return arguments;
}

}  // namespace

std::string ringload_binary() {
  const char* chosen = std::getenv("RINGLOAD_BINARY");
  return chosen != nullptr && *chosen != '\0' ? chosen : RINGLOAD_BINARY;
}

double LoadRun::number(const std::string& path) const { return at_path(json, path).get<double>(); }

std::uint64_t LoadRun::count(const std::string& path) const {
  return at_path(json, path).get<std::uint64_t>();
}

std::uint64_t LoadRun::errors(const std::string& phase, const std::string& name) const {
  return json.at("errors").value(phase, nlohmann::json::object()).value(name, std::uint64_t{0});
}

std::uint64_t LoadRun::errors(const std::string& phase) const {
  return sum(json.at("errors").value(phase, nlohmann::json::object()));
}

std::uint64_t LoadRun::status_count(int code) const {
  return json.at("statuses").value(std::to_string(code), std::uint64_t{0});
}

std::uint64_t LoadRun::ended() const { return count("requests") + count("answered_late"); }

std::vector<LoadRun::Bucket> LoadRun::latencies() const {
  const nlohmann::json& histogram = json.at("histogram");
  const auto precision_bits = histogram.at("precision_bits").get<unsigned>();
  EXPECT_EQ(histogram.at("unit"), "ns");
  std::vector<Bucket> buckets;
  for (const auto& entry : histogram.at("buckets")) {
    // As common/measure/histogram.h defines them.
    const auto index = entry.at(0).get<std::uint64_t>();
    const std::uint64_t power = index >> precision_bits;
    const std::uint64_t low_bits = index & ((std::uint64_t{1} << precision_bits) - 1);
    const std::uint64_t first =
        power < 2 ? index : (low_bits + (std::uint64_t{1} << precision_bits)) << (power - 1);
    buckets.push_back({static_cast<double>(first) / 1e6, entry.at(1).get<std::uint64_t>()});
  }
  return buckets;
}

std::uint64_t LoadRun::latencies_between_ms(double from_ms, double to_ms) const {
  std::uint64_t total = 0;
  for (const Bucket& bucket : latencies()) {
    if (bucket.from_ms >= from_ms && bucket.from_ms < to_ms) total += bucket.count;
  }
  return total;
}

std::uint64_t LoadRun::sum_of_seconds(const std::string& key, double from_s, double to_s) const {
  std::uint64_t total = 0;
  for (const auto& row : json.at("seconds")) {
    const double at_s = row.at("at_s").get<double>();
    if (row.at("warmup").get<bool>()) continue;
    if (at_s > from_s && at_s <= to_s) total += row.at(key).get<std::uint64_t>();
  }
  return total;
}

LoadProcess::LoadProcess(std::vector<std::string> arguments)
    : process_(command_line(std::move(arguments), results_.path(kJsonName))) {}

void LoadProcess::interrupt() { process_.signal(SIGINT); }

bool LoadProcess::wait_for_live_rows(std::size_t rows) {
  return process_.err().wait_until([rows](const auto& text) { return live_rows(text) >= rows; },
                                   Deadline());
}

LoadRun LoadProcess::finish(const Deadline& deadline) {
  const auto status = process_.wait_for_exit(deadline);
  if (!status) {
    throw std::runtime_error("ringload did not end in time; stderr: " + process_.err().text());
  }
  LoadRun run{*status, process_.out().whole(), process_.err().whole(), nullptr};
  const bool has_result =
      run.status.code == kDone || run.status.code == kCondition || run.status.code == kInterrupted;
  std::ifstream file(results_.path(kJsonName));
  if (has_result && file) run.json = json::parse(file);
  EXPECT_EQ(run.err.find("Sanitizer: "), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("runtime error: "), std::string::npos) << run.err;
  if (!run.json.is_null()) expect_consistent(run);
  return run;
}

LoadRun run_ringload(std::vector<std::string> arguments, const Deadline& deadline) {
  return LoadProcess(std::move(arguments)).finish(deadline);
}

Finished run_ringload_plainly(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ringload_binary());
  return run_to_exit(arguments);
}

std::size_t live_rows(const std::string& text) {
  std::istringstream lines(text.substr(0, text.rfind('\n') + 1));
  std::size_t rows = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin != std::string::npos && line[begin] >= '0' && line[begin] <= '9') ++rows;
  }
  return rows;
}

void expect_consistent(const LoadRun& run) {
  std::uint64_t errors = 0;
  for (const auto& phase : run.json.at("errors").items()) errors += sum(phase.value());
  EXPECT_EQ(run.count("errors_total"), errors);
  EXPECT_GE(sum(run.json.at("statuses")), run.ended());
  EXPECT_EQ(run.sum_of_seconds("requests"), run.count("requests"));
  EXPECT_EQ(run.sum_of_seconds("bytes"), run.count("bytes"));
  EXPECT_EQ(run.latencies_between_ms(0, 1e12), run.ended());

  double before = 0;
  for (const char* name : {"min", "p50", "p75", "p90", "p95", "p99", "p999", "p9999", "max"}) {
    const json& value = run.json.at("latency_us").at(name);
    EXPECT_EQ(value.is_null(), run.ended() == 0) << name;
    if (value.is_null()) continue;
    EXPECT_GE(value.get<double>(), before) << name;
    before = value.get<double>();
  }
  const double duration_s = run.number("duration_s");
  EXPECT_GT(duration_s, 0);
  EXPECT_NEAR(run.number("rate_per_s") * duration_s, run.number("requests"),
              1 + run.number("requests") / 1000);
  EXPECT_NEAR(run.number("bytes_per_s") * duration_s, run.number("bytes"),
              1 + run.number("bytes") / 1000);
}

}  // namespace support
