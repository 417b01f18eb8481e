// CLI11 reads the command line into RawOptions; make_plan() understands them together.
#include "client/load/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>

#include "client/load/raw_options.h"
#include "common/cli/mistakes.h"

#ifndef RINGLOAD_VERSION
#error "the build defines RINGLOAD_VERSION"
#endif

namespace ringload {
namespace {

constexpr unsigned kConnectionsMax = 1'000'000;
constexpr unsigned kThreadsMax = 1024;
constexpr unsigned kPipelineMax = 1024;
constexpr double kRateMax = 1e8;
constexpr uint64_t kRequestsMax = uint64_t{1} << 60;

constexpr const char* kFooter =
    "Latency. A closed loop (no --rate) sends the next request when the last was answered, so a\n"
    "server that stalls is asked less: it reports service time. An open loop (--rate) counts from\n"
    "the planned time of each request, the waiting for a free connection included.\n\n"
    "Ports. A connection from one address to one address and port uses up an ephemeral port, and\n"
    "whoever closes first keeps it for 60 s in TIME_WAIT. --source binds with\n"
    "IP_BIND_ADDRESS_NO_PORT, so that each source has the whole port range for each destination;\n"
    "a plain bind() would take its port for all destinations at once. Where connections are not\n"
    "kept, IP_LOCAL_PORT_RANGE (Linux 6.3) is set to the whole range, so that connect() searches\n"
    "it in one pass (from 6.8) instead of one half after the other when ports get few.\n\n"
    "Exit status: 0 done, whatever was answered (--fail-if 'requests<1' asks for more), 1 could "
    "not\n"
    "start or nobody accepted a connection, 2 a mistake on the command line, 3 a --stop-on or\n"
    "--fail-if came true, 130 interrupted (the report is printed).";

// An option whose value is one of a few names; a mistake is answered with all of them.
template <typename T>
CLI::Option* add_name_option(CLI::App& app, const std::string& option, T& value,
                             const std::map<std::string, T>& names, const std::string& text) {
  std::string list;
  for (const auto& entry : names) list += (list.empty() ? "" : ", ") + entry.first;
  const auto set = [option, &value, names, list](const std::string& given) {
    const auto found = names.find(given);
    if (found == names.end()) {
      throw CLI::ValidationError(option, fmt::format("'{}' is not one of {}", given, list));
    }
    value = found->second;
  };
  return app.add_option_function<std::string>(option, set, text);
}

template <typename T>
CLI::Option* add_time_option(CLI::App& app, const std::string& option, T& value, double min_s,
                             const std::string& text) {
  const auto set = [option, &value, min_s](const std::string& given) {
    auto time_s = parse_time_s(given);
    if (!time_s) throw CLI::ValidationError(option, time_s.error().message());
    if (*time_s < min_s)
      throw CLI::ValidationError(option, fmt::format("'{}' is too short", given));
    value = *time_s;
  };
  return app.add_option_function<std::string>(option, set, text)->option_text("TIME");
}

CLI::Option* repeatable(CLI::Option* option) { return option->allow_extra_args(false)->take_all(); }

void add_load(CLI::App& app, RawOptions& raw) {
  app.add_option("URL", raw.urls,
                 "http://host:port/path, http://[::1]:8080/,\nunix:/path.sock:/path")
      ->option_text(" ");
  app.add_option("-c,--connections", raw.connections, "Connections at once; default 10")
      ->option_text("N")
      ->check(CLI::Range(1U, kConnectionsMax));
  app.add_option("-t,--threads", raw.threads, "Threads, each with a ring of its own; default 1")
      ->option_text("N")
      ->check(CLI::Range(1U, kThreadsMax));
  add_time_option(app, "-d,--duration", raw.duration_s, 1e-3,
                  "How long; default 10s (500ms, 10s, 2m), or until\n--requests are done");
  app.add_option("-n,--requests", raw.requests, "How many requests in all")
      ->option_text("N")
      ->check(CLI::Range(uint64_t{1}, kRequestsMax));
  add_time_option(app, "--warmup", raw.warmup_s, 0.0, "Load for so long before anything counts");
  app.add_option("-r,--rate", raw.rate_per_s, "Open loop: requests a second, on a schedule")
      ->option_text("R")
      ->check(CLI::Range(1e-3, kRateMax));
  repeatable(app.add_option("--ramp", raw.ramps,
                            "FROM:TO:TIME, repeatable: stages of the rate, if\nthere is a --rate "
                            "(which holds after them), else\nof connections, instead of -c"))
      ->option_text("STAGE");
  app.add_option("--pipeline", raw.pipeline, "Requests in flight per connection; default 1")
      ->option_text("N")
      ->check(CLI::Range(1U, kPipelineMax));
  add_time_option(app, "--timeout", raw.timeout_s, 1e-3,
                  "For connecting, for an answer, for the server's\nclose; default 10s");
}

void add_connections(CLI::App& app, RawOptions& raw) {
  app.add_flag("--new-connection", raw.new_connection, "One connection per request");
  app.add_option("--requests-per-connection", raw.requests_per_connection,
                 "Then close it and open another")
      ->option_text("N")
      ->check(CLI::Range(1U, 1'000'000'000U));
  add_name_option<CloseBy>(
      app, "--close-by", raw.close_by,
      {{"client", CloseBy::client}, {"server", CloseBy::server}, {"reset", CloseBy::reset}},
      "Who closes, and so holds TIME_WAIT: client\n(default), server (asked by "
      "Connection: close),\nreset (nobody holds it)")
      ->option_text("WHO");
  repeatable(app.add_option("--source", raw.sources,
                            "Connect from this address, or all of a CIDR;\nrepeatable; each "
                            "multiplies the ports"))
      ->option_text("ADDR");
  app.add_flag("--until-exhausted", raw.until_exhausted, "Stop when no ephemeral port is left");
}

void add_requests(CLI::App& app, RawOptions& raw) {
  app.add_option("--body", raw.body,
                 "discard (default: in the kernel, by MSG_TRUNC),\ncopy, or verify:DIR: every byte "
                 "against the file")
      ->option_text("WHAT");
  app.add_option("--paths", raw.paths_file, "A file with a path a line, to choose from")
      ->option_text("FILE");
  app.add_option("--popularity", raw.popularity,
                 "uniform (default), or zipf:S: the n-th path is\nasked for 1/n^S as often")
      ->option_text("LAW");
  app.add_option_function<int64_t>(
         "--seed", [&raw](int64_t seed) { raw.seed = static_cast<uint64_t>(seed); },
         "Of the choice; default 1")
      ->option_text("N")
      ->check(CLI::Range(int64_t{0}, INT64_MAX));
  repeatable(app.add_option("-H,--header", raw.headers, "'Name: value', repeatable"))
      ->option_text("FIELD");
  app.add_option("--method", raw.method, "Default GET")->option_text("NAME");
  app.add_option("--http-version", raw.http_version, "1.1 (default) or 1.0")
      ->option_text("V")
      ->check(CLI::IsMember({"1.0", "1.1"}));
}

void add_outputs(CLI::App& app, OutputFiles& files, std::vector<std::string>& fail_if,
                 bool& quiet) {
  repeatable(app.add_option("--fail-if", fail_if,
                            "Exit with 3 if this holds at the end, repeatable:\n'p99>5ms', "
                            "'errors>0', 'error_rate>0.1%',\n'rate<10000', 'free_ports<100'"))
      ->option_text("EXPR");
  app.add_option("--json", files.json, "All figures and the histogram, losslessly")
      ->option_text("FILE");
  app.add_option("--csv", files.csv, "A row per second")->option_text("FILE");
  app.add_option("--hgrm", files.hgrm, "The percentile distribution")->option_text("FILE");
  app.add_option("--report", files.html, "One self-contained page with plots (gnuplot)")
      ->option_text("FILE.html");
  app.add_flag("--quiet", quiet, "Print nothing but errors");
}

void add_watching(CLI::App& app, RawOptions& raw) {
  repeatable(app.add_option("--stop-on", raw.stop_on,
                            "Stop, and exit with 3, in the second in which\nthis holds"))
      ->option_text("EXPR");
  repeatable(app.add_option("--server-pid", raw.server_pids,
                            "Report this process's CPU time, and that of its\ndescendants"))
      ->option_text("PID")
      ->check(CLI::Range(pid_t{1}, pid_t{1} << 22));
  add_name_option<LiveMode>(
      app, "--live", raw.live,
      {{"auto", LiveMode::automatic}, {"plain", LiveMode::plain}, {"off", LiveMode::off}},
      "auto (default): a line a second, and a progress\nbar on a terminal; plain; off")
      ->option_text("MODE");
}

std::string join(int argc, char** argv) {
  std::string line = "ringload";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain =
        !word.empty() && word.find_first_of(" \t'\"$&|;<>()*?\\") == std::string::npos;
    line += plain ? " " + word : " '" + word + "'";
  }
  return line;
}

struct Parsed {
  RawOptions raw;
  MergeCommand merge;
  std::vector<std::string> merge_fail_if;
  std::string ports_to;
  bool ports = false;
  bool merging = false;
};

void add_everything(CLI::App& app, Parsed& parsed) {
  app.get_formatter()->column_width(30);
  app.set_version_flag("--version", "ringload " RINGLOAD_VERSION);
  app.footer(kFooter);
  add_load(app, parsed.raw);
  add_connections(app, parsed.raw);
  add_requests(app, parsed.raw);
  add_watching(app, parsed.raw);
  add_outputs(app, parsed.raw.files, parsed.raw.fail_if, parsed.raw.quiet);

  CLI::App* ports = app.add_subcommand("ports", "No load: the ports and TIME_WAIT as they are now");
  ports->add_option("--to", parsed.ports_to, "Toward this destination: 127.0.0.1:8080")
      ->option_text("ADDR:PORT");
  ports->callback([&parsed] { parsed.ports = true; });
  CLI::App* merge = app.add_subcommand("merge", "Join the --json files of several runs, exactly");
  merge->add_option("FILE", parsed.merge.inputs, "What --json wrote")->required()->option_text(" ");
  add_outputs(*merge, parsed.merge.files, parsed.merge_fail_if, parsed.merge.quiet);
  merge->callback([&parsed] { parsed.merging = true; });
}

net::Result<Command> understand(Parsed& parsed, int argc, char** argv) {
  if (parsed.ports) {
    PortsCommand command;
    if (!parsed.ports_to.empty()) {
      auto to = net::Address::parse(parsed.ports_to);
      if (!to) return tl::unexpected(to.error());
      if (to->is_unix()) return net::fail("--to: a Unix socket has no ports", 0);
      command.to = *to;
    }
    return command;
  }
  if (parsed.merging) {
    auto conditions = parse_conditions(parsed.merge_fail_if, ConditionUse::fail_if);
    if (!conditions) return tl::unexpected(conditions.error());
    parsed.merge.fail_if = std::move(*conditions);
    return parsed.merge;
  }
  if (parsed.raw.urls.empty()) return net::fail("a URL is missing", 0);
  auto plan = make_plan(parsed.raw);
  if (!plan) return tl::unexpected(plan.error());
  plan->command_line = join(argc, argv);
  return *plan;
}

}  // namespace

std::optional<Command> parse_command(int argc, char** argv, int& exit_status) {
  CLI::App app(
      "Loads HTTP/1.1 servers, from io_uring, and watches the sockets: TIME_WAIT, ephemeral ports\n"
      "and when they will run out.",
      "ringload");
  Parsed parsed;
  add_everything(app, parsed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_status = cli::report(app, error);
    return std::nullopt;
  }
  auto command = understand(parsed, argc, argv);
  if (!command) {
    exit_status = cli::report_usage_error("ringload", command.error().message());
    return std::nullopt;
  }
  return *command;
}

}  // namespace ringload
