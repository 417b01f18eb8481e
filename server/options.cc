// CLI11 reads the command line; added here: the near name for a mistyped option, and addresses.
#include "server/options.h"

#include <fmt/format.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <numeric>

#ifndef RINGSERVE_VERSION
#error "the build defines RINGSERVE_VERSION"
#endif

namespace ringserve {
namespace {

constexpr unsigned kThreadsMax = 1024;
constexpr uint64_t kMemoryCacheBytesMax = uint64_t{1} << 44;
constexpr uint64_t kDescriptorsMax = 1 << 30;  // the kernel's own ceiling: fs.nr_open
constexpr unsigned kTimeoutMaxS = 3600;

const std::map<std::string, send::Cork> kCorks = {{"tcp-cork", send::Cork::tcp_cork},
                                                  {"msg-more", send::Cork::msg_more},
                                                  {"none", send::Cork::none}};
const std::map<std::string, files::FollowSymlinks> kFollow = {
    {"within", files::FollowSymlinks::within},
    {"never", files::FollowSymlinks::never},
    {"always", files::FollowSymlinks::always}};

std::map<std::string, send::PathName> path_names() {
  std::map<std::string, send::PathName> names;
  for (const send::PathInfo& path : send::all_paths()) names.emplace(path.name, path.path);
  return names;
}

unsigned usable_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) < 0) return 1;
  return static_cast<unsigned>(std::clamp(CPU_COUNT(&cpus), 1, static_cast<int>(kThreadsMax)));
}

// Levenshtein's distance: how many letters have to be changed, added or dropped.
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

std::string nearest_option(const CLI::App& app, const std::string& wrong) {
  constexpr size_t kNear = 3;
  std::string best;
  size_t best_distance = kNear + 1;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const size_t distance = edit_distance(wrong, "--" + name);
      if (distance >= best_distance) continue;
      best = "--" + name;
      best_distance = distance;
    }
  }
  return best;
}

int report(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
  std::string advice;
  std::string message = error.what();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    for (const std::string& extra : app.remaining()) {
      const std::string name = extra.substr(0, extra.find('='));
      if (name.rfind('-', 0) != 0) continue;
      message = fmt::format("unknown option '{}'", name);
      const std::string near = nearest_option(app, name);
      if (!near.empty()) advice = fmt::format("did you mean '{}'?", near);
      break;
    }
  }
  fmt::print(stderr, "ringserve: error: {}{}{}\n", message, advice.empty() ? "" : " - ", advice);
  fmt::print(stderr, "ringserve --help lists the options\n");
  return kExitUsage;
}

void add_options(CLI::App& app, Options& options, std::vector<std::string>& listen) {
  app.set_version_flag("--version", "ringserve " RINGSERVE_VERSION);
  app.add_option("ROOT", options.root, "The directory to serve")->required();
  app.add_option("--listen", listen,
                 "Address to listen on, repeatable: 127.0.0.1:8080 (default), [::1]:8080, "
                 "0.0.0.0:80, unix:/absolute/path; port 0 takes any")
      ->type_name("ADDR")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--threads", options.threads, "Worker threads; default: the CPUs it may run on")
      ->type_name("N")
      ->check(CLI::Range(1u, kThreadsMax));
  app.add_option("--send-path", options.send_path, "How bodies reach the socket")
      ->type_name("NAME")
      ->transform(CLI::Transformer(path_names()))
      ->default_str("auto");
  app.add_option("--cork", options.cork, "How head and body share segments")
      ->type_name("NAME")
      ->transform(CLI::Transformer(kCorks))
      ->default_str("msg-more");
  app.add_option("--index", options.index_names, "File served for a directory, repeatable")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->take_all()
      ->default_str("index.html");
  app.add_option("--follow-symlinks", options.follow_symlinks,
                 "within: while they stay below ROOT; never; always")
      ->type_name("NAME")
      ->transform(CLI::Transformer(kFollow))
      ->default_str("within");
  app.add_flag("--hidden", options.hidden, "Serve names that begin with a dot (default: 404)");
}

void add_limits(CLI::App& app, Options& options) {
  app.add_option("--memory-cache", options.memory_cache_bytes,
                 "Bodies held in memory, all workers together; 0 = none")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(uint64_t{0}, kMemoryCacheBytesMax))
      ->default_str("64MiB");
  app.add_option("--open-files", options.open_files,
                 "File descriptors the cache may hold; default from RLIMIT_NOFILE")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, kDescriptorsMax));
  app.add_option("--max-connections", options.max_connections,
                 "Connections at once; default from RLIMIT_NOFILE, raised to its hard limit")
      ->type_name("N")
      ->check(CLI::Range(uint64_t{1}, kDescriptorsMax));
  const auto add_seconds = [&](const char* name, unsigned& value, const char* text, unsigned min) {
    app.add_option(name, value, text)
        ->type_name("S")
        ->check(CLI::Range(min, kTimeoutMaxS))
        ->capture_default_str();
  };
  add_seconds("--header-timeout-s", options.header_timeout_s,
              "A request must be complete this long after its first byte, else 408", 1);
  add_seconds("--idle-timeout-s", options.idle_timeout_s,
              "A connection without a request is closed after this", 1);
  add_seconds("--send-timeout-s", options.send_timeout_s,
              "A client that takes no byte for this long is reset", 1);
  add_seconds("--drain-timeout-s", options.drain_timeout_s,
              "After SIGTERM, running responses may take this long", 0);
  app.add_flag("--print-listen", options.print_listen,
               "When ready, print 'listening ADDR' for each listener on stdout");
}

// CLI11 says only that a name is wrong: says which are right.
std::string check_names(const CLI::App& app) {
  const auto wrong = [&app](const char* name, const auto& known) -> std::string {
    const CLI::Option* option = app.get_option(name);
    if (option->count() == 0 || known.count(option->results().front()) != 0) return {};
    std::string names;
    for (const auto& entry : known) names += (names.empty() ? "" : ", ") + entry.first;
    return fmt::format("{}: '{}' is not one of {}", name, option->results().front(), names);
  };
  for (const std::string& text : {wrong("--send-path", path_names()), wrong("--cork", kCorks),
                                  wrong("--follow-symlinks", kFollow)}) {
    if (!text.empty()) return text;
  }
  return {};
}

}  // namespace

bool parse_options(int argc, char** argv, Options& options, int& exit_status) {
  CLI::App app("Serves the files below ROOT over HTTP/1.1, from io_uring, without copying them.",
               "ringserve");
  app.allow_extras(false);
  std::vector<std::string> listen;
  options.threads = usable_cpus();
  add_options(app, options, listen);
  add_limits(app, options);
  const auto usage_error = [&exit_status](const std::string& message) {
    fmt::print(stderr, "ringserve: error: {}\nringserve --help lists the options\n", message);
    exit_status = kExitUsage;
    return false;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ConversionError& error) {
    const std::string names = check_names(app);
    return usage_error(names.empty() ? error.what() : names);
  } catch (const CLI::ParseError& error) {
    exit_status = report(app, error);
    return false;
  }
  if (listen.empty()) listen.push_back("127.0.0.1:8080");
  for (const std::string& text : listen) {
    auto address = net::Address::parse(text);
    if (!address) return usage_error(address.error().message());
    options.listen.push_back(*address);
  }
  for (const std::string& name : options.index_names) {
    if (name.empty() || name.find('/') != std::string::npos) {
      return usage_error(fmt::format("--index '{}': must be a file name without a slash", name));
    }
  }
  return true;
}

std::string_view name_of(send::PathName path) {
  for (const send::PathInfo& info : send::all_paths()) {
    if (info.path == path) return info.name;
  }
  return "?";
}

std::string_view name_of(send::Cork cork) {
  for (const auto& [name, value] : kCorks) {
    if (value == cork) return name;
  }
  return "?";
}

}  // namespace ringserve
