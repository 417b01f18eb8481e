// CLI11 reads the command line; added here: the near name for a mistyped option, and addresses.
#include "server/options.h"

#include <fmt/format.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <optional>

#include "common/cli/mistakes.h"

#ifndef RINGSERVE_VERSION
#error "the build defines RINGSERVE_VERSION"
#endif

namespace ringserve {
namespace {

constexpr unsigned kThreadsMax = 1024;
constexpr uint64_t kMemoryCacheBytesMax = uint64_t{1} << 44;
constexpr uint64_t kDescriptorsMax = 1 << 30;  // the kernel's own ceiling: fs.nr_open
constexpr unsigned kTimeoutMaxS = 3600;

template <typename T>
using Names = std::map<std::string, T>;

const Names<send::Cork> kCorks = {{"auto", send::Cork::automatic},
                                  {"tcp-cork", send::Cork::tcp_cork},
                                  {"msg-more", send::Cork::msg_more},
                                  {"none", send::Cork::none}};
const Names<files::FollowSymlinks> kFollow = {{"within", files::FollowSymlinks::within},
                                              {"never", files::FollowSymlinks::never},
                                              {"always", files::FollowSymlinks::always}};

Names<send::PathName> path_names() {
  Names<send::PathName> names;
  for (const send::PathInfo& path : send::all_paths()) names.emplace(path.name, path.path);
  return names;
}

template <typename T>
std::string list_names(const Names<T>& names) {
  std::string list;
  for (const auto& entry : names) list += (list.empty() ? "" : ", ") + entry.first;
  return list;
}

// An option whose value is one of a few names; a mistake is answered with all of them.
template <typename T>
CLI::Option* add_name_option(CLI::App& app, const std::string& option, T& value,
                             const Names<T>& names, const std::string& text) {
  const auto set = [option, &value, names](const std::string& given) {
    const auto found = names.find(given);
    if (found == names.end()) {
      throw CLI::ValidationError(option,
                                 fmt::format("'{}' is not one of {}", given, list_names(names)));
    }
    value = found->second;
  };
  return app.add_option_function<std::string>(option, set, text);
}

unsigned usable_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) < 0) return 1;
  return static_cast<unsigned>(std::clamp(CPU_COUNT(&cpus), 1, static_cast<int>(kThreadsMax)));
}

// What has to be looked at when everything is parsed.
struct Given {
  std::vector<std::string> listen;
  std::optional<std::string> tuning_file;
  bool print_tuning = false;
};

void add_tuning(CLI::App& app, CLI::Option* root, Given& given) {
  app.add_option("--tuning", given.tuning_file,
                 "Sizes at which auto changes its mechanism, as\nbench/paths measured them; "
                 "default: built in")
      ->option_text("FILE");
  const auto print = [&given, root] {
    given.print_tuning = true;
    root->required(false);
  };
  app.add_flag_callback("--print-tuning", print, "Print the tuning in force, as such a file");
}

void add_options(CLI::App& app, Options& options, Given& given) {
  app.set_version_flag("--version", "ringserve " RINGSERVE_VERSION);
  CLI::Option* root = app.add_option("ROOT", options.root, "The directory to serve");
  root->required()->option_text(" ");
  app.add_option("--listen", given.listen,
                 "Repeatable: 127.0.0.1:8080 (default), [::1]:8080,\n"
                 "0.0.0.0:80, unix:/absolute/path; port 0 takes any")
      ->option_text("ADDR")
      ->allow_extra_args(false)
      ->take_all();
  app.add_option("--congestion", options.congestion,
                 "TCP congestion control; default the system's,\nbut reno on loopback addresses")
      ->option_text("NAME");
  app.add_option("--threads", options.threads, "Worker threads; default: the CPUs it may run on")
      ->option_text("N")
      ->check(CLI::Range(1u, kThreadsMax));
  add_name_option(app, "--send-path", options.send_path, path_names(),
                  "How bodies reach the socket; default auto:\nauto, read-write, writev, sendfile, "
                  "splice,\nuring-send, uring-splice, send-zc")
      ->option_text("NAME");
  add_tuning(app, root, given);
  add_name_option(app, "--cork", options.cork, kCorks,
                  "How head and body share segments; default auto:\n" + list_names(kCorks))
      ->option_text("NAME");
  app.add_option("--index", options.index_names,
                 "File served for a directory, repeatable;\ndefault index.html")
      ->option_text("NAME")
      ->allow_extra_args(false)
      ->take_all();
  add_name_option(app, "--follow-symlinks", options.follow_symlinks, kFollow,
                  "within (default): a link is followed while it\nstays below ROOT; never; always")
      ->option_text("NAME");
  app.add_flag("--hidden", options.hidden, "Serve names that begin with a dot; default: 404");
}

void add_limits(CLI::App& app, Options& options) {
  app.add_option("--memory-cache", options.memory_cache_bytes,
                 "Bodies held in memory, all workers together;\n64MiB; 0 = none")
      ->option_text("SIZE")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(uint64_t{0}, kMemoryCacheBytesMax));
  app.add_option("--open-files", options.open_files,
                 "Descriptors the file cache may hold;\ndefault from RLIMIT_NOFILE")
      ->option_text("N")
      ->check(CLI::Range(uint64_t{1}, kDescriptorsMax));
  app.add_option("--max-connections", options.max_connections,
                 "Connections at once; default from RLIMIT_NOFILE,\nraised to its hard limit")
      ->option_text("N")
      ->check(CLI::Range(uint64_t{1}, kDescriptorsMax));
  const auto add_seconds = [&](const char* name, unsigned& value, const char* text, unsigned min) {
    app.add_option(name, value, fmt::format("{}; default {}", text, value))
        ->option_text("N")
        ->check(CLI::Range(min, kTimeoutMaxS));
  };
  add_seconds("--header-timeout-s", options.header_timeout_s,
              "A request must be complete this long after\nits first byte, else 408", 1);
  add_seconds("--idle-timeout-s", options.idle_timeout_s,
              "A connection without a request is closed\nafter this", 1);
  add_seconds("--send-timeout-s", options.send_timeout_s,
              "A client that takes no byte for this long is\nreset", 1);
  add_seconds("--drain-timeout-s", options.drain_timeout_s,
              "After SIGTERM, running responses may take this\nlong", 0);
  app.add_flag("--print-listen", options.print_listen,
               "When ready, print 'listening ADDR' for each\nlistener on stdout");
}

// Reads --tuning's file; the error is a usage error, since nothing is served by other sizes than
// those asked for.
net::Status load_tuning(const Given& given, Options& options) {
  if (!given.tuning_file) return {};
  if (options.send_path != send::PathName::automatic) {
    return net::fail(
        fmt::format("only --send-path auto chooses by size, not {}", name_of(options.send_path)), 0,
        "leave one of the two out");
  }
  auto tuning = send::load_tuning(*given.tuning_file);
  if (!tuning) return tl::unexpected(tuning.error());
  options.tuning = std::move(*tuning);
  return {};
}

}  // namespace

bool parse_options(int argc, char** argv, Options& options, int& exit_status) {
  CLI::App app("Serves the files below ROOT over HTTP/1.1, from io_uring, without copying them.",
               "ringserve");
  app.get_formatter()->column_width(28);
  app.allow_extras(false);
  Given given;
  options.threads = usable_cpus();
  add_options(app, options, given);
  add_limits(app, options);
  const auto usage_error = [&exit_status](const std::string& message) {
    exit_status = cli::report_usage_error("ringserve", message);
    return false;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_status = cli::report(app, error);
    return false;
  }
  if (const auto status = load_tuning(given, options); !status) {
    return usage_error("--tuning: " + status.error().message());
  }
  if (given.print_tuning) {
    fmt::print("{}", send::tuning_json(options.tuning));
    exit_status = std::fflush(stdout) == 0 ? 0 : 1;
    if (exit_status != 0)
      fmt::print(stderr, "ringserve: error: --print-tuning: stdout: {}\n", net::errno_name(errno));
    return false;
  }
  if (given.listen.empty()) given.listen.push_back("127.0.0.1:8080");
  for (const std::string& text : given.listen) {
    auto address = net::Address::parse(text);
    if (!address) return usage_error("--listen: " + address.error().message());
    options.listen.push_back(*address);
  }
  for (const std::string& name : options.index_names) {
    if (name.empty() || name.find('/') != std::string::npos) {
      return usage_error(fmt::format("--index '{}': must be a file name without a slash", name));
    }
  }
  return true;
}

std::string_view name_of(send::PathName path) { return send::info_of(path).name; }

std::string_view name_of(send::Cork cork) {
  for (const auto& [name, value] : kCorks) {
    if (value == cork) return name;
  }
  return "?";
}

}  // namespace ringserve
