// Everything that can be wrong is found here, before the first sample is taken.
#include "client/tune/measure/setup.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "client/tune/measure/limits.h"
#include "common/cli/mistakes.h"
#include "common/net/sysctl.h"

namespace ringtune {
namespace {

constexpr double kSecondsMin = 0.05;
constexpr double kSecondsMax = 3600;

std::string workload_names() {
  std::string names;
  for (const Workload& one : workloads()) names += (names.empty() ? "" : ", ") + one.name;
  return names;
}

// What the shell makes of --set NAME=A B without quotes.
bool is_number(const std::string& word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
}

net::Result<Workload> workload_of(const SetupOptions& options) {
  if (!options.command.empty()) {
    if (is_number(options.command.front())) {
      return net::fail(fmt::format("'{}' is no command", options.command.front()), 0,
                       "a value with a space in it needs quotes: --set 'NAME=A B'");
    }
    if (!options.workload.empty()) {
      return net::fail("both --workload and a command are given", 0, "give one of them");
    }
    return command_workload(options.number);
  }
  if (!options.number.empty()) {
    return net::fail("--number is about the command after --, and there is none", 0);
  }
  if (options.workload.empty()) {
    return net::fail("what is the server to do meanwhile?", 0,
                     "give --workload NAME, of " + workload_names() + ", or -- COMMAND");
  }
  for (const Workload& one : workloads()) {
    if (one.name == options.workload) return one;
  }
  return net::fail(fmt::format("--workload '{}' is none", options.workload), 0,
                   "write one of " + workload_names());
}

// The first two that this process may use; the same twice where there is only one.
void choose_cpus(Bench& bench) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) < 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(static_cast<size_t>(cpu), &allowed)) continue;
    if (bench.server_cpu < 0) {
      bench.server_cpu = bench.client_cpu = cpu;
    } else {
      bench.client_cpu = cpu;
      return;
    }
  }
}

net::Result<std::string> wire(const SetupOptions& options, ArenaOptions& arena) {
  double rate = 0;
  if (!options.rate.empty()) {
    const auto parsed = parse_rate(options.rate);
    if (!parsed) return tl::unexpected(parsed.error());
    rate = *parsed;
  }
  if (options.rtt_ms > 0 || rate > 0 || options.loss_percent > 0) {
    if (options.veth) {
      return net::fail("--veth, and a link with a delay, a rate or losses", 0,
                       "the link is between two networks already: leave out --veth");
    }
    arena.wiring = Wiring::link;
    arena.link.delay_us = static_cast<int64_t>(options.rtt_ms * 1000 / 2);
    arena.link.rate_bits_per_s = rate;
    arena.link.loss = options.loss_percent / 100;
    arena.link.queue_packets = options.queue_packets;
    arena.link.seed = options.seed;
    return fmt::format("a link with a round trip of {} ms, {}, {} % loss", options.rtt_ms,
                       rate > 0 ? fmt::format("{:g} Mbit/s", rate / 1e6) : "no limit of its rate",
                       options.loss_percent);
  }
  if (options.veth) {
    arena.wiring = Wiring::veth;
    return std::string("a veth pair between two networks");
  }
  return std::string("loopback");
}

void collect_names(const std::string& path, const std::string& prefix, int depth,
                   std::vector<std::string>& names) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (entry->d_type == DT_DIR && depth > 0) {
      collect_names(path + "/" + name, prefix + name + ".", depth - 1, names);
    } else if (entry->d_type == DT_REG) {
      names.push_back(prefix + name);
    }
  }
  ::closedir(directory);
}

// Files that are not there would be answered with 404, and that be measured.
net::Status check_root(const std::string& root, const Workload& workload) {
  if (workload.file == nullptr) return {};
  const std::string file = root + "/" + workload.file;
  if (::access(file.c_str(), R_OK) == 0) return {};
  return net::fail(fmt::format("--root {}: {}", root, workload.file), errno,
                   fmt::format("the workload {} asks for it", workload.name));
}

// What was probably meant: near it, or it with what stands before it.
std::string meant_by(const std::string& name) {
  constexpr int kDepth = 2;
  std::vector<std::string> names;
  collect_names("/proc/sys/net", "net.", kDepth, names);
  for (const std::string& one : names) {
    if (one.ends_with("." + name)) return one;
  }
  return cli::nearest_name(names, name);
}

}  // namespace

net::Status check_name(const std::string& name) {
  const auto value = net::read_sysctl(name);
  // What is there, but not for these eyes, a network of its own will judge.
  if (value || value.error().errno_value != ENOENT) return {};
  const std::string meant = meant_by(name);
  return net::fail(fmt::format("{}: this kernel has no such parameter", name), ENOENT,
                   meant.empty() ? "" : fmt::format("did you mean {}?", meant));
}

void add_setup_options(CLI::App& app, SetupOptions& options) {
  std::string about = "What the server does meanwhile:\n";
  for (const Workload& one : workloads()) about += fmt::format("{}: {}\n", one.name, one.about);
  about.pop_back();
  app.add_option("--workload", options.workload, about)->option_text("NAME");
  app.add_option("--seconds", options.seconds, "Of one sample; default 1")
      ->option_text("S")
      ->check(CLI::Range(kSecondsMin, kSecondsMax));
  app.add_option("--connections", options.connections, "Instead of the workload's own number")
      ->option_text("N")
      ->check(CLI::Range(1U, kConnectionsMax));
  app.add_option("--root", options.root,
                 "Serve this directory; the workloads ask for\nindex.html and large.bin")
      ->option_text("DIR");
  app.add_option("--with", options.with,
                 "Repeatable: set in every network, also that of\nthe baseline")
      ->option_text("NAME=VALUE")
      ->allow_extra_args(false)
      ->take_all();
  app.add_flag("--fresh", options.fresh,
               "Begin with the kernel's defaults, not with the\nvalues of this host");
  app.add_flag("--veth", options.veth, "Server and clients in two networks, by a veth pair");
  app.add_option("--rtt-ms", options.rtt_ms, "By a link with this round trip")
      ->option_text("MS")
      ->check(CLI::Range(0.0, kRttMax_ms));
  app.add_option("--rate", options.rate, "By a link that carries no more: 100Mbit, 1Gbit")
      ->option_text("BITS");
  app.add_option("--loss", options.loss_percent, "By a link that loses that many of its packets")
      ->option_text("PERCENT")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--queue", options.queue_packets, "Of the link, for its --rate; default 1000")
      ->option_text("PACKETS")
      ->check(CLI::Range(1U, 1'000'000U));
  app.add_option("--seed", options.seed, "Of the link's losses; default 1")->option_text("N");
}

void add_command_options(CLI::App& app, SetupOptions& options) {
  app.add_option("--number", options.number,
                 "The metric is the number in the last line that\nCOMMAND prints, and more (or "
                 "less) of it is better;\ndefault: how long COMMAND takes")
      ->option_text("more|less")
      ->check(CLI::IsMember({"more", "less"}));
  app.add_option("COMMAND", options.command,
                 "After `--`: your own load, with RINGTUNE_URL in its\nenvironment")
      ->option_text(" ");
}

net::Result<double> parse_rate(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  std::string unit(last, static_cast<size_t>(end - last));
  if (unit.size() >= 3 && unit.substr(unit.size() - 3) == "bit") unit.resize(unit.size() - 3);
  const double factor = unit.empty()  ? 1
                        : unit == "k" ? 1e3
                        : unit == "M" ? 1e6
                        : unit == "G" ? 1e9
                                      : 0;
  constexpr double kRateMin_bits_per_s = 1000;
  if (error != std::errc() || factor == 0 || !(value * factor >= kRateMin_bits_per_s)) {
    return net::fail(fmt::format("'{}' is not a rate", text), 0, "write 512kbit, 100Mbit or 1Gbit");
  }
  return value * factor;
}

net::Result<std::unique_ptr<Site>> Site::make() {
  const char* base = std::getenv("TMPDIR");
  std::string path =
      std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/ringtune.XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    return net::fail(fmt::format("mkdtemp {}", path), errno, "set TMPDIR to a directory with room");
  }
  std::unique_ptr<Site> site(new Site(path));
  for (const auto& [name, bytes] :
       {std::pair{kSmallFile, kSmallBytes}, std::pair{kLargeFile, kLargeBytes}}) {
    const std::string file = path + "/" + name;
    const net::OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) < 0) {
      return net::fail(fmt::format("make {}", file), errno);
    }
  }
  return site;
}

Site::~Site() {
  std::error_code ignored;  // what is left in the directory of temporary files hurts nobody
  std::filesystem::remove_all(path_, ignored);
}

net::Result<Setup> prepare(const SetupOptions& options) {
  const auto workload = workload_of(options);
  if (!workload) return tl::unexpected(workload.error());
  Setup setup{*workload, {}, {}, {}, options.with, {}};
  Bench& bench = setup.bench;
  const auto wiring = wire(options, bench.arena);
  if (!wiring) return tl::unexpected(wiring.error());
  setup.wiring = *wiring;
  const auto server = program_beside("ringserve");
  if (!server) return tl::unexpected(server.error());
  const auto load = program_beside("ringload");
  if (!load) return tl::unexpected(load.error());
  bench.server_program = *server;
  bench.load_program = *load;
  bench.seconds = options.seconds;
  bench.connections = options.connections;
  bench.command = options.command;
  choose_cpus(bench);
  std::vector<Setting> with;
  for (const std::string& text : options.with) {
    const auto setting = parse_setting(text);
    if (!setting) return tl::unexpected(setting.error());
    if (auto status = check_name(setting->name); !status) return tl::unexpected(status.error());
    with.push_back(*setting);
    bench.follows_congestion |= setting->name == kCongestion;
  }
  if (options.root.empty()) {
    auto site = Site::make();
    if (!site) return tl::unexpected(site.error());
    setup.site = std::move(*site);
    bench.root = setup.site->path();
  } else {
    if (auto status = check_root(options.root, setup.workload); !status) {
      return tl::unexpected(status.error());
    }
    bench.root = options.root;
  }
  if (!options.fresh) {
    auto copied = copy_of_the_host();
    if (!copied) return tl::unexpected(copied.error());
    setup.surroundings = std::move(*copied);
  }
  std::vector<Setting>& settings = setup.surroundings.copied;
  settings.insert(settings.end(), with.begin(), with.end());
  return setup;
}

net::Result<std::vector<std::string>> check_trials(const Setup& setup,
                                                   const std::vector<Trial>& trials) {
  for (size_t i = 0; i < trials.size(); ++i) {
    if (auto status = check_name(trials[i].name); !status) return tl::unexpected(status.error());
    for (size_t j = 0; j < i; ++j) {
      if (trials[j].name == trials[i].name) {
        return net::fail(fmt::format("{} is there twice", trials[i].name), 0,
                         "give all its values in one --set");
      }
    }
  }
  if (auto status = try_values(setup.surroundings.copied, trials); !status) {
    return tl::unexpected(status.error());
  }
  return present_values(setup.surroundings.copied, trials);
}

void show_progress(size_t done, size_t all, std::optional<double> left_s) {
  if (::isatty(STDERR_FILENO) == 0) return;
  if (done == all) {
    fmt::print(stderr, "\r\033[K");
    return;
  }
  fmt::print(stderr, "\r\033[Ksample {} of {}{}", done + 1, all,
             left_s ? fmt::format(", {:.0f} s left", *left_s) : std::string());
  std::fflush(stderr);
}

}  // namespace ringtune
