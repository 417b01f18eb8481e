// Settings of the whole server: listeners, threads, send paths, limits, logs. Sites have their own
// (site_settings.cc).
#include <algorithm>

#include "server/config/settings.h"
#include "server/config/words.h"
#include "server/process/user.h"

namespace ringserve {
namespace config {
namespace {

constexpr uint64_t kMemoryCacheBytesMax = uint64_t{1} << 44;
constexpr uint64_t kDescriptorsMax = 1 << 30;  // the kernel's own ceiling: fs.nr_open
constexpr unsigned kTimeoutMaxS = 3600;
constexpr uint64_t kRequestsMax = 1'000'000'000;  // of a connection
constexpr uint64_t kRequestRateMax = 1'000'000;   // of an address, a second; a burst's too
constexpr uint64_t kSendRateMax = 1 << 30;        // bytes a second

constexpr const char* kServing = "Serving";
constexpr const char* kLimits = "Limits";
constexpr const char* kLogs = "Logs and numbers";

constexpr Choice<send::Cork> kCorks[] = {{"auto", send::Cork::automatic},
                                         {"tcp-cork", send::Cork::tcp_cork},
                                         {"msg-more", send::Cork::msg_more},
                                         {"none", send::Cork::none}};
constexpr Choice<LogFormat> kLogFormats[] = {{"off", LogFormat::off},
                                             {"common", LogFormat::common},
                                             {"combined", LogFormat::combined},
                                             {"json", LogFormat::json}};

constexpr Choice<ClosePolicy> kClosePolicies[] = {{"server", ClosePolicy::server},
                                                  {"client", ClosePolicy::client},
                                                  {"reset", ClosePolicy::reset}};
constexpr Choice<SandboxMode> kSandboxes[] = {
    {"auto", SandboxMode::automatic}, {"on", SandboxMode::on}, {"off", SandboxMode::off}};

std::vector<Choice<send::PathName>> send_paths() {
  std::vector<Choice<send::PathName>> paths;
  for (const send::PathInfo& path : send::all_paths()) paths.push_back({path.name, path.path});
  return paths;
}

template <typename T>
auto same_member(T Options::*member) {
  return [member](const Options& a, const Options& b) { return a.*member == b.*member; };
}

auto same_addresses(std::vector<net::Address> Options::*member) {
  return [member](const Options& a, const Options& b) {
    return std::ranges::equal(a.*member, b.*member, {}, &net::Address::text, &net::Address::text);
  };
}

template <typename T>
net::Status put_into(T& place, net::Result<T> value) {
  if (!value) return tl::unexpected(value.error());
  place = std::move(*value);
  return {};
}

auto put_flag(bool Options::*member) {
  return [member](const std::string& text, Target to) -> net::Status {
    to.options.*member = text == "true";
    return {};
  };
}

template <typename T>
auto put_number(T Options::*member, uint64_t min, uint64_t max) {
  return [=](const std::string& text, Target to) -> net::Status {
    const auto number = parse_number(text, min, max);
    if (!number) return tl::unexpected(number.error());
    to.options.*member = static_cast<T>(*number);
    return {};
  };
}

auto put_address(std::vector<net::Address> Options::*member) {
  return [member](const std::string& text, Target to) -> net::Status {
    auto address = net::Address::parse(text);
    if (!address) return tl::unexpected(address.error());
    (to.options.*member).push_back(*address);
    return {};
  };
}

auto clear_addresses(std::vector<net::Address> Options::*member) {
  return [member](Target to) { (to.options.*member).clear(); };
}

Setting timeout(std::string name, unsigned Options::*member, std::string help, unsigned min) {
  return {.name = std::move(name),
          .placeholder = "N",
          .group = kLimits,
          .help = fmt::format("{}; default {}", help, Options{}.*member),
          .takes = Takes::number,
          .put = put_number(member, min, kTimeoutMaxS)};
}

Setting count_of_client(std::string name, uint64_t Options::*member, uint64_t max,
                        std::string help) {
  return {.name = std::move(name),
          .placeholder = "N",
          .group = kLimits,
          .help = std::move(help),
          .takes = Takes::number,
          .put = put_number(member, 0, max)};
}

net::Status put_log_path(const std::string& text, Target to) {
  if (text.empty() || text.find('\0') != std::string::npos) {
    return net::fail("must be the path of a file, or - for stdout", 0);
  }
  to.options.access_log_path = text;
  return {};
}

}  // namespace

std::vector<Setting> process_settings() {
  return {
      {.name = "listen",
       .placeholder = "ADDR",
       .group = kServing,
       .help = "Repeatable: 127.0.0.1:8080 (default), [::1]:8080,\n"
               "0.0.0.0:80, unix:/absolute/path; port 0 takes any",
       .times = Times::list,
       .put = put_address(&Options::listen),
       .clear = clear_addresses(&Options::listen),
       .same = same_addresses(&Options::listen)},
      {.name = "threads",
       .placeholder = "N",
       .group = kServing,
       .help = "Worker threads; default: the CPUs it may run on",
       .takes = Takes::number,
       .put = put_number(&Options::threads, 1, kThreadsMax),
       .same = same_member(&Options::threads)},
      {.name = "congestion",
       .placeholder = "NAME",
       .group = kServing,
       .help = "TCP congestion control; default the system's,\nbut reno on loopback addresses",
       .put = [](const std::string& text, Target to) -> net::Status {
         to.options.congestion = text;
         return {};
       },
       .same = same_member(&Options::congestion)},
      {.name = "send-path",
       .placeholder = "NAME",
       .group = kServing,
       .help = "How bodies reach the socket; default auto:\nauto, read-write, writev, sendfile, "
               "splice,\nuring-send, uring-splice, send-zc",
       .put =
           [](const std::string& text, Target to) {
             const auto paths = send_paths();
             return put_into(to.options.send_path, choose<send::PathName>(text, paths));
           },
       .same = same_member(&Options::send_path)},
      {.name = "tuning",
       .placeholder = "FILE",
       .group = kServing,
       .help = "Sizes at which auto changes its mechanism, as\nbench/paths measured them; default: "
               "built in",
       .is_path = true,
       .put = [](const std::string& text,
                 Target to) { return put_into(to.options.tuning, send::load_tuning(text)); },
       .same =
           [](const Options& a, const Options& b) {
             return send::tuning_json(a.tuning) == send::tuning_json(b.tuning);
           }},
      {.name = "cork",
       .placeholder = "NAME",
       .group = kServing,
       .help = "How head and body share segments; default auto:\n" +
               list_names(std::span<const Choice<send::Cork>>(kCorks)),
       .put = [](const std::string& text,
                 Target to) { return put_into(to.options.cork, choose<send::Cork>(text, kCorks)); },
       .same = same_member(&Options::cork)},
      {.name = "user",
       .placeholder = "NAME",
       .group = kServing,
       .help = "NAME or NAME:GROUP: root's rights are given up\nfor this user's when the listeners "
               "are bound",
       .put = [](const std::string& text, Target to) -> net::Status {
         if (auto user = process::find_user(text); !user) return tl::unexpected(user.error());
         to.options.user = text;
         return {};
       },
       .same = same_member(&Options::user)},
      {.name = "sandbox",
       .placeholder = "MODE",
       .group = kServing,
       .help = "Landlock, seccomp, restricted rings: on; auto\n(default), as far as nothing stops "
               "working; off",
       .put =
           [](const std::string& text, Target to) {
             return put_into(to.options.sandbox, choose<SandboxMode>(text, kSandboxes));
           },
       .same = same_member(&Options::sandbox)},
      {.name = "print-listen",
       .group = kServing,
       .help = "When ready, print 'listening ADDR' for each\nlistener on stdout",
       .takes = Takes::flag,
       .put = put_flag(&Options::print_listen)},
  };
}

std::vector<Setting> limit_settings() {
  return {
      {.name = "memory-cache",
       .placeholder = "SIZE",
       .group = kLimits,
       .help = "Bodies held in memory, all workers together;\ndefault 64MiB; 0 = none",
       .takes = Takes::size,
       .put =
           [](const std::string& text, Target to) {
             return put_into(to.options.memory_cache_bytes, parse_size(text, kMemoryCacheBytesMax));
           },
       .same = same_member(&Options::memory_cache_bytes)},
      {.name = "open-files",
       .placeholder = "N",
       .group = kLimits,
       .help = "Descriptors the file cache may hold;\ndefault from RLIMIT_NOFILE",
       .takes = Takes::number,
       .put = put_number(&Options::open_files, 1, kDescriptorsMax),
       .same = same_member(&Options::open_files)},
      {.name = "max-connections",
       .placeholder = "N",
       .group = kLimits,
       .help = "Connections at once; default from RLIMIT_NOFILE,\nraised to its hard limit",
       .takes = Takes::number,
       .put = put_number(&Options::max_connections, 1, kDescriptorsMax),
       .same = same_member(&Options::max_connections)},
      count_of_client(
          "max-connections-per-address", &Options::max_connections_per_address, kDescriptorsMax,
          "Connections at once of an IPv4 address or IPv6\n/64, others get 503; default "
          "0: no limit"),
      count_of_client("max-requests-per-connection", &Options::max_requests_per_connection,
                      kRequestsMax,
                      "A connection is closed after so many replies;\ndefault 0: no limit"),
      count_of_client(
          "request-rate-per-address", &Options::request_rate_per_address, kRequestRateMax,
          "Requests per second of an IPv4 address or IPv6\n/64, others get 429; default "
          "0: no limit"),
      count_of_client("request-burst-per-address", &Options::request_burst_per_address,
                      kRequestRateMax,
                      "How many of them may come at once; default 0:\nas many as a second allows"),
      {.name = "min-send-rate",
       .placeholder = "SIZE",
       .group = kLimits,
       .help = "A client that takes less per second, averaged\nover --send-timeout-s, is reset; "
               "default 256;\n0 = no limit",
       .takes = Takes::size,
       .put =
           [](const std::string& text, Target to) {
             return put_into(to.options.min_send_rate, parse_size(text, kSendRateMax));
           }},
      {.name = "fair-share",
       .placeholder = "on|off",
       .group = kLimits,
       .help = "on: addresses take turns, however many\nconnections each has; default off: "
               "connections do",
       .takes = Takes::on_off,
       .put =
           [](const std::string& text, Target to) {
             return put_into(to.options.fair_share, choose<bool>(text, kOnOff));
           }},
      {.name = "close",
       .placeholder = "WHO",
       .group = kLimits,
       .help = "Who ends a connection, and so keeps TIME_WAIT:\nserver (default); client, if it "
               "does so in a\nsecond; reset, once all is acknowledged: nobody",
       .put =
           [](const std::string& text, Target to) {
             return put_into(to.options.close, choose<ClosePolicy>(text, kClosePolicies));
           }},
      timeout("header-timeout-s", &Options::header_timeout_s,
              "A request must be complete this long after\nits first byte, else 408", 1),
      timeout("idle-timeout-s", &Options::idle_timeout_s,
              "A connection without a request is closed\nafter this", 1),
      timeout("send-timeout-s", &Options::send_timeout_s,
              "A client that takes no byte for this long is\nreset", 1),
      timeout("drain-timeout-s", &Options::drain_timeout_s,
              "After SIGTERM, running responses may take this\nlong", 0),
  };
}

std::vector<Setting> log_settings() {
  return {
      {.name = "access-log",
       .placeholder = "PATH",
       .group = kLogs,
       .help = "A line for each response to this file, - is\nstdout; reopened on SIGUSR1; default: "
               "none",
       .is_path = true,
       .put = put_log_path},
      {.name = "access-log-format",
       .placeholder = "NAME",
       .group = kLogs,
       .help = "off, common, combined, json; default combined\nwith --access-log, else off",
       .put =
           [](const std::string& text, Target to) {
             return put_into(to.options.access_log_format, choose<LogFormat>(text, kLogFormats));
           }},
      {.name = "admin",
       .placeholder = "ADDR",
       .group = kLogs,
       .help = "Repeatable: /metrics, /healthz and /status here;\na loopback address or "
               "unix:/absolute/path",
       .times = Times::list,
       .put = put_address(&Options::admin),
       .clear = clear_addresses(&Options::admin),
       .same = same_addresses(&Options::admin)},
      {.name = "admin-public",
       .group = kLogs,
       .help = "--admin may be any address: whoever reaches it\nreads the server's numbers",
       .takes = Takes::flag,
       .put = put_flag(&Options::admin_public)},
  };
}

}  // namespace config

std::string_view name_of(send::Cork cork) {
  return std::ranges::find(config::kCorks, cork, &config::Choice<send::Cork>::value)->name;
}

std::string_view name_of(SandboxMode mode) {
  return std::ranges::find(config::kSandboxes, mode, &config::Choice<SandboxMode>::value)->name;
}

std::string_view name_of(LogFormat format) {
  return std::ranges::find(config::kLogFormats, format, &config::Choice<LogFormat>::value)->name;
}

}  // namespace ringserve
