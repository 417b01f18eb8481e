// The workloads that are a program's: ringload's, and the user's command. And what all have in
// common: the server, the counters before and after.
#include "client/tune/measure/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "client/tune/measure/cell.h"
#include "common/check.h"
#include "common/measure/cpu_time.h"
#include "common/net/sysctl.h"

namespace ringtune {
namespace {

constexpr uint16_t kPort = 8080;
constexpr double kReadyLimit_s = 20;
constexpr double kCommandLimit_s = 600;
// What a sample may take beyond its seconds: starting, connecting, waiting for the last answers.
constexpr double kExtraLimit_s = 60;
constexpr double kWarmup_s = 0.1;
// For an answer: ringload waits so long at the end for those that are still to come.
constexpr double kTimeoutMin_s = 0.5;

// Nothing at all counts as one in the measured time: a ratio needs a number above 0.
double rate_of(double count, double duration_s) { return std::max(count, 1.0) / duration_s; }

net::Result<nlohmann::json> run_ringload(Stage& stage, const std::string& path,
                                         std::vector<std::string> more) {
  std::vector<std::string> arguments = {
      stage.bench.load_program,
      "--quiet",
      "--live",
      "off",
      "--json",
      "/dev/stdout",
      "--duration",
      fmt::format("{}ms", std::max(1.0, stage.bench.seconds * 1000)),
      "--timeout",
      fmt::format("{}ms", 1000 * std::max(kTimeoutMin_s, stage.bench.seconds + kWarmup_s)),
      "--server-pid",
      std::to_string(stage.server.pid()),
  };
  arguments.insert(arguments.end(), more.begin(), more.end());
  arguments.push_back(fmt::format("http://{}/{}", stage.host_and_port, path));
  auto scope = stage.arena.on_client_side();
  if (!scope) return tl::unexpected(scope.error());
  auto load = Program::start({arguments, {}, stage.bench.client_cpu});
  if (!load) return tl::unexpected(load.error());
  const auto status = (*load)->wait(stage.bench.seconds + kExtraLimit_s);
  if (!status) return tl::unexpected(status.error());
  auto json = nlohmann::json::parse((*load)->out(), nullptr, false);
  if (*status != 0 || json.is_discarded()) {
    return net::fail(fmt::format("ringload ended with {}: {}", *status, (*load)->last_words()), 0);
  }
  return json;
}

// Errors of the clients, as "connect EADDRNOTAVAIL".
CounterValues errors_in(const nlohmann::json& json) {
  CounterValues errors;
  for (const auto& [phase, names] : json.at("errors").items()) {
    for (const auto& [name, count] : names.items()) errors[phase + " " + name] = count;
  }
  errors["TIME_WAIT at most"] = json.at("sockets").at("time_wait_peak");
  return errors;
}

net::Result<Sample> run_churn(Stage& stage) {
  const auto json = run_ringload(
      stage, kSmallFile,
      {"--new-connection", "-c", std::to_string(connections_of(stage.bench, "churn"))});
  if (!json) return tl::unexpected(json.error());
  const double duration_s = json->at("duration_s");
  const double requests = json->at("requests");
  const double cpu_s = json->at("server_cpu_s");
  return Sample{
      {rate_of(requests, duration_s), std::max(cpu_s, 1e-6) / std::max(requests, 1.0) * 1e6},
      errors_in(*json)};
}

net::Result<Sample> run_small(Stage& stage) {
  const auto json = run_ringload(stage, kSmallFile,
                                 {"--warmup", fmt::format("{}s", kWarmup_s), "-c",
                                  std::to_string(connections_of(stage.bench, "small"))});
  if (!json) return tl::unexpected(json.error());
  const double requests = json->at("requests");
  const double cpu_s = json->at("server_cpu_s");
  return Sample{{rate_of(requests, json->at("duration_s")),
                 std::max(cpu_s, 1e-6) / std::max(requests, 1.0) * 1e6},
                errors_in(*json)};
}

net::Result<Sample> run_large(Stage& stage) {
  const auto json = run_ringload(stage, kLargeFile,
                                 {"--warmup", fmt::format("{}s", kWarmup_s), "-c",
                                  std::to_string(connections_of(stage.bench, "large"))});
  if (!json) return tl::unexpected(json.error());
  const double bytes = json->at("bytes");
  const double cpu_s = json->at("server_cpu_s");
  return Sample{{rate_of(bytes, json->at("duration_s")),
                 std::max(cpu_s, 1e-6) * 1e3 / (std::max(bytes, 1.0) / 1e9)},
                errors_in(*json)};
}

net::Result<double> run_command(Stage& stage, std::string& out) {
  auto scope = stage.arena.on_client_side();
  if (!scope) return tl::unexpected(scope.error());
  const int64_t begun_ns = ::measure::monotonic_ns();
  auto command = Program::start({stage.bench.command,
                                 {{"RINGTUNE_URL", fmt::format("http://{}/", stage.host_and_port)}},
                                 stage.bench.client_cpu,
                                 false});
  if (!command) return tl::unexpected(command.error());
  const auto status = (*command)->wait(kCommandLimit_s);
  if (!status) return tl::unexpected(status.error());
  const double took_ms = static_cast<double>(::measure::monotonic_ns() - begun_ns) / 1e6;
  if (*status != 0) {
    return net::fail(fmt::format("the command {} ended with {}: {}", stage.bench.command.front(),
                                 *status, (*command)->last_words()),
                     0,
                     "it is to end with 0 in each network; RINGTUNE_URL says where the server is");
  }
  out = (*command)->out();
  return took_ms;
}

net::Result<Sample> run_for_duration(Stage& stage) {
  std::string out;
  const auto took_ms = run_command(stage, out);
  if (!took_ms) return tl::unexpected(took_ms.error());
  return Sample{{*took_ms}, {}};
}

net::Result<Sample> run_for_number(Stage& stage) {
  std::string out;
  const auto took_ms = run_command(stage, out);
  if (!took_ms) return tl::unexpected(took_ms.error());
  while (!out.empty() && std::isspace(static_cast<unsigned char>(out.back())) != 0) out.pop_back();
  const std::string line = out.substr(out.rfind('\n') + 1);
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size() || !(value > 0)) {
    return net::fail(fmt::format("the command's last line is '{}'", line), 0,
                     "with --number it is to be a number above 0 and nothing else");
  }
  return Sample{{value, *took_ms}, {}};
}

net::Result<Sample> sample_here(const Workload& workload, const Bench& bench,
                                const std::vector<Setting>& settings) {
  auto arena = Arena::make(bench.arena, settings);
  if (!arena) return tl::unexpected(arena.error());
  std::vector<std::string> arguments = {
      bench.server_program, "--listen",  fmt::format("{}:{}", (*arena)->server_host(), kPort),
      "--print-listen",     "--threads", "1"};
  std::unique_ptr<Program> server;
  {
    auto scope = (*arena)->on_server_side();
    if (!scope) return tl::unexpected(scope.error());
    if (bench.follows_congestion) {
      const auto present = net::read_sysctl(kCongestion);
      if (!present) return tl::unexpected(present.error());
      arguments.insert(arguments.end(), {"--congestion", *present});
    }
    arguments.push_back(bench.root);
    auto started = Program::start({arguments, {}, bench.server_cpu});
    if (!started) return tl::unexpected(started.error());
    server = std::move(*started);
  }
  const auto line = server->first_line(kReadyLimit_s);
  if (!line) return tl::unexpected(line.error());
  Stage stage{bench, **arena, *server, line->substr(line->find(' ') + 1)};
  const auto before = (*arena)->counters();
  if (!before) return tl::unexpected(before.error());
  auto sample = workload.run(stage);
  if (!sample) return sample;
  const auto after = (*arena)->counters();
  if (!after) return tl::unexpected(after.error());
  for (const auto& [name, value] : *after) {
    const auto earlier = before->find(name);
    const uint64_t base = earlier == before->end() ? 0 : earlier->second;
    if (value > base) sample->witnesses[name] = value - base;
  }
  return sample;
}

}  // namespace

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> kAll = {
      {"churn",
       "a new connection for each request",
       16,
       {{"new connections", "/s", true}, {"server CPU per connection", "us", false}},
       run_churn,
       kSmallFile},
      {"small",
       "files of 1 KiB over connections that stay",
       64,
       {{"requests", "/s", true}, {"server CPU per request", "us", false}},
       run_small,
       kSmallFile},
      {"large",
       "files of 64 MiB",
       4,
       {{"received", "B/s", true}, {"server CPU per GB", "ms", false}},
       run_large,
       kLargeFile},
      {"idle",
       "connections that have had an answer and ask nothing more",
       2000,
       {{"server memory per connection", "B", false}},
       run_idle,
       kSmallFile},
      {"slow",
       "clients that ask for 64 MiB and read nothing",
       32,
       {{"kernel memory per reader, server", "B", false},
        {"kernel memory per reader, client", "B", false}},
       run_slow,
       kLargeFile},
      {"burst",
       "clients that all connect at once, while the server is busy for 50 ms",
       1000,
       {{"time to connect, p99", "ms", false}, {"time to the answer, p99", "ms", false}},
       run_burst,
       kSmallFile},
  };
  return kAll;
}

Workload command_workload(const std::string& number) {
  if (number.empty()) {
    return {"command", "your command", 0, {{"duration", "ms", false}}, run_for_duration, nullptr};
  }
  return {"command",
          "your command",
          0,
          {{"its number", "", number == "more"}, {"duration", "ms", false}},
          run_for_number,
          nullptr};
}

unsigned connections_of(const Bench& bench, const char* workload) {
  if (bench.connections != 0) return bench.connections;
  for (const Workload& one : workloads()) {
    if (one.name == workload) return one.connections;
  }
  CHECK(false);
}

net::Result<Sample> take_sample(const Workload& workload, const Bench& bench,
                                const std::vector<Setting>& settings) {
  const auto work = [&]() -> net::Result<nlohmann::json> {
    auto sample = sample_here(workload, bench, settings);
    if (!sample) return tl::unexpected(sample.error());
    return nlohmann::json{{"values", sample->values}, {"witnesses", sample->witnesses}};
  };
  const double limit_s =
      (bench.command.empty() ? bench.seconds : kCommandLimit_s) + 2 * kExtraLimit_s;
  const auto answer = run_in_cell(work, limit_s);
  if (!answer) return tl::unexpected(answer.error());
  return Sample{answer->at("values"), answer->at("witnesses")};
}

}  // namespace ringtune
