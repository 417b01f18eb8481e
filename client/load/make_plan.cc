// From words to a Plan: each function checks one thing and says what to write instead.
#include <fmt/format.h>
#include <signal.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "client/load/engine/connector.h"
#include "client/load/raw_options.h"
#include "client/load/url.h"

namespace ringload {
namespace {

constexpr size_t kPathsMax = 10'000'000;
constexpr unsigned kDescriptorsBesides = 64;
constexpr double kForever = std::numeric_limits<double>::infinity();

// With --rate the stages are rates, and --rate holds after them; else they are connections.
net::Status plan_stages(const RawOptions& raw, Plan& plan) {
  if (!std::isfinite(raw.rate_per_s)) return mistake("--rate: not a number of requests a second");
  std::vector<Stage> stages;
  for (const std::string& text : raw.ramps) {
    auto stage = parse_ramp(text);
    if (!stage) return tl::unexpected(stage.error());
    stages.push_back(*stage);
  }
  const double ramp_s = total_duration_s(stages);
  if (raw.rate_per_s > 0) {
    plan.rate = std::move(stages);
    plan.rate.push_back({raw.rate_per_s, raw.rate_per_s, kForever});
  } else {
    if (!stages.empty()) plan.connections = 1;
    for (const Stage& stage : stages) {
      plan.connections = std::max(
          plan.connections, static_cast<unsigned>(std::lround(std::max(stage.from, stage.to))));
    }
    plan.ramped_connections = std::move(stages);
  }
  if (plan.threads > plan.connections) {
    return mistake(
        fmt::format("--threads {} is more than the {} connections", plan.threads, plan.connections),
        "each thread needs a connection");
  }
  if (!plan.ramped_connections.empty() && plan.ramped_connections.back().to < 1 &&
      raw.requests > 0 && !raw.duration_s) {
    return mistake("--ramp ends with no connection, and --requests may not be done by then",
                   "add --duration, or let the last stage end with 1");
  }
  if (raw.duration_s) {
    plan.duration_s = *raw.duration_s;
  } else if (raw.requests > 0) {
    plan.duration_s = 0;
  } else if (ramp_s > 0) {
    plan.duration_s = std::max(0.0, ramp_s - raw.warmup_s);
  }
  if (plan.duration_s <= 0 && raw.requests == 0) return mistake("--duration: no time is left");
  return {};
}

bool is_token(std::string_view text) {  // RFC 9110 section 5.6.2
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || (c != 0 && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
  });
}

net::Status check_request(const RawOptions& raw) {
  if (!is_token(raw.method) || raw.method == "CONNECT") {
    return mistake(fmt::format("--method '{}' is not a method ringload can send", raw.method));
  }
  for (const std::string& header : raw.headers) {
    const std::string name = header.substr(0, header.find(':'));
    const bool controls = std::any_of(header.begin(), header.end(), [](unsigned char c) {
      return (c < ' ' && c != '\t') || c == 0x7F;
    });
    if (name.size() == header.size() || !is_token(name) || controls) {
      return mistake(fmt::format("-H '{}' is not a header field", header), "write 'Name: value'");
    }
    if (::strcasecmp(name.c_str(), "Content-Length") == 0 ||
        ::strcasecmp(name.c_str(), "Transfer-Encoding") == 0) {
      return mistake(fmt::format("-H '{}': ringload sends no request bodies", header));
    }
  }
  return {};
}

net::Status check_combinations(const RawOptions& raw) {
  if (raw.new_connection && raw.requests_per_connection > 1) {
    return mistake("--new-connection is --requests-per-connection 1; leave one of them out");
  }
  const unsigned limit = raw.new_connection ? 1 : raw.requests_per_connection;
  if (limit != 0 && raw.pipeline > limit) {
    return mistake(
        fmt::format("--pipeline {} on connections of {} request(s)", raw.pipeline, limit));
  }
  if (raw.pipeline > 1 && raw.http_version == "1.0") {
    return mistake("--pipeline needs HTTP/1.1");
  }
  if (raw.close_by == CloseBy::server && limit == 0) {
    return mistake("--close-by server: connections that are kept are not closed by the server",
                   "add --new-connection or --requests-per-connection N");
  }
  if (raw.until_exhausted && limit == 0) {
    return mistake("--until-exhausted: connections that are kept use up no ports",
                   "add --new-connection or --requests-per-connection N");
  }
  if (!raw.popularity.empty() && raw.paths_file.empty()) {
    return mistake("--popularity needs --paths: there is nothing to choose from");
  }
  return {};
}

net::Status plan_popularity(const RawOptions& raw, Plan& plan) {
  if (raw.popularity.empty() || raw.popularity == "uniform") return {};
  const std::string prefix = "zipf:";
  double exponent = 0;
  const char* end = raw.popularity.data() + raw.popularity.size();
  if (raw.popularity.compare(0, prefix.size(), prefix) != 0 ||
      std::from_chars(raw.popularity.data() + prefix.size(), end, exponent).ptr != end ||
      !(exponent >= 0 && exponent <= 10)) {
    return mistake(fmt::format("--popularity '{}'", raw.popularity),
                   "write uniform, or zipf:S with S from 0 to 10, such as zipf:1");
  }
  plan.zipf_exponent = exponent;
  return {};
}

net::Status plan_body(const RawOptions& raw, Plan& plan) {
  const std::string verify = "verify:";
  if (raw.body == "discard") {
    plan.body = BodyMode::discard;
  } else if (raw.body == "copy") {
    plan.body = BodyMode::copy;
  } else if (raw.body.compare(0, verify.size(), verify) == 0) {
    plan.body = BodyMode::verify;
    plan.verify_directory = raw.body.substr(verify.size());
    struct stat facts {};
    if (::stat(plan.verify_directory.c_str(), &facts) < 0) {
      return net::fail(fmt::format("--body verify: directory '{}'", plan.verify_directory), errno);
    }
    if (!S_ISDIR(facts.st_mode)) {
      return mistake(fmt::format("--body verify: '{}' is not a directory", plan.verify_directory));
    }
  } else {
    return mistake(fmt::format("--body '{}'", raw.body), "write discard, copy or verify:DIR");
  }
  return {};
}

net::Result<std::vector<std::string>> read_paths(const std::string& file_name) {
  std::ifstream file(file_name);
  if (!file) return net::fail(fmt::format("--paths '{}'", file_name), errno);
  std::vector<std::string> paths;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    if (auto checked = check_path(line); !checked) {
      return mistake(
          fmt::format("--paths {}:{}: {}", file_name, number, checked.error().message()));
    }
    if (paths.size() == kPathsMax) {
      return mistake(fmt::format("--paths '{}' has more than {} paths", file_name, kPathsMax));
    }
    paths.push_back(line);
  }
  if (paths.empty()) return mistake(fmt::format("--paths '{}' holds no path", file_name));
  return paths;
}

net::Status plan_targets(const RawOptions& raw, Plan& plan) {
  std::vector<std::string> listed;
  if (!raw.paths_file.empty()) {
    auto paths = read_paths(raw.paths_file);
    if (!paths) return tl::unexpected(paths.error());
    listed = std::move(*paths);
  }
  const int wanted_family = plan.sources.empty() ? AF_UNSPEC : plan.sources.front().family();
  for (const std::string& text : raw.urls) {
    auto url = Url::parse(text);
    if (!url) return tl::unexpected(url.error());
    if (!listed.empty() && url->path != "/") {
      return mistake(fmt::format("URL '{}' has a path, and --paths gives others", text),
                     "leave one of them out");
    }
    auto address = resolve(*url, wanted_family);
    if (!address && wanted_family != AF_UNSPEC && resolve(*url, AF_UNSPEC)) {
      return mistake(fmt::format("--source {} cannot reach URL '{}': one is IPv4, the other IPv6",
                                 raw.sources.front(), text));
    }
    if (!address) return tl::unexpected(address.error());
    const auto same = std::find_if(plan.targets.begin(), plan.targets.end(), [&](const Target& t) {
      return t.address.text() == address->text() && t.host_header == url->host_header;
    });
    if (same != plan.targets.end()) {
      if (listed.empty()) same->paths.push_back(url->path);
      continue;
    }
    const std::string origin =
        url->socket_path.empty() ? "http://" + url->host_header : "unix:" + url->socket_path;
    plan.targets.push_back({*address, url->host_header, origin,
                            listed.empty() ? std::vector<std::string>{url->path} : listed});
    if (address->family() != plan.targets.front().address.family()) {
      return mistake("the URLs lead to addresses of different families",
                     "load them in runs of their own");
    }
  }
  if (!plan.sources.empty() && plan.targets.front().address.is_unix()) {
    return mistake("--source: a Unix socket has no source address");
  }
  return {};
}

net::Status plan_sources(const RawOptions& raw, Plan& plan) {
  for (const std::string& text : raw.sources) {
    auto sources = parse_source(text);
    if (!sources) return tl::unexpected(sources.error());
    plan.sources.insert(plan.sources.end(), sources->begin(), sources->end());
  }
  for (const net::Address& source : plan.sources) {
    if (source.family() != plan.sources.front().family()) {
      return mistake("--source: IPv4 and IPv6 cannot be mixed");
    }
  }
  return check_sources(plan.sources);
}

// Every connection is a descriptor; the soft limit is ours to raise.
net::Status provide_descriptors(const Plan& plan) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("getrlimit(RLIMIT_NOFILE)", errno);
  const rlim_t needed = rlim_t{plan.connections} + kDescriptorsBesides + 8 * plan.threads;
  if (limit.rlim_max < needed) {
    return mistake(fmt::format("--connections {} needs {} descriptors, RLIMIT_NOFILE allows {}",
                               plan.connections, needed, limit.rlim_max),
                   "raise the hard limit (ulimit -Hn, /etc/security/limits.conf)");
  }
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) return net::fail("setrlimit(RLIMIT_NOFILE)", errno);
  return {};
}

net::Status check_server_pids(const std::vector<pid_t>& pids) {
  for (const pid_t pid : pids) {
    if (::kill(pid, 0) < 0 && errno == ESRCH) {
      return net::fail(fmt::format("--server-pid {}", pid), errno, "no such process here");
    }
  }
  return {};
}

}  // namespace

net::Result<std::vector<Condition>> parse_conditions(const std::vector<std::string>& texts,
                                                     ConditionUse use) {
  std::vector<Condition> conditions;
  for (const std::string& text : texts) {
    auto condition = parse_condition(text, use);
    if (!condition) {
      net::Error error = condition.error();
      error.what = (use == ConditionUse::stop_on ? "--stop-on: " : "--fail-if: ") + error.what;
      return tl::unexpected(error);
    }
    conditions.push_back(*condition);
  }
  return conditions;
}

net::Result<Plan> make_plan(const RawOptions& raw) {
  Plan plan;
  plan.urls = raw.urls;
  plan.connections = raw.connections;
  plan.threads = raw.threads;
  plan.pipeline = raw.pipeline;
  plan.requests = raw.requests;
  plan.warmup_s = raw.warmup_s;
  plan.timeout_s = raw.timeout_s;
  plan.requests_per_connection = raw.new_connection ? 1 : raw.requests_per_connection;
  plan.close_by = raw.close_by;
  plan.method = raw.method;
  plan.headers = raw.headers;
  plan.http_minor = raw.http_version == "1.0" ? 0 : 1;
  plan.seed = raw.seed;
  plan.until_exhausted = raw.until_exhausted;
  plan.server_pids = raw.server_pids;
  plan.files = raw.files;
  plan.live = raw.live;
  plan.quiet = raw.quiet;

  net::Status status = check_combinations(raw);
  const auto then = [&status](auto&& step) {
    if (status) status = step();
  };
  then([&] { return check_request(raw); });
  then([&] { return plan_stages(raw, plan); });
  then([&] { return plan_popularity(raw, plan); });
  then([&] { return plan_body(raw, plan); });
  then([&] { return plan_sources(raw, plan); });
  then([&] { return plan_targets(raw, plan); });
  then([&] { return provide_descriptors(plan); });
  then([&] { return check_server_pids(plan.server_pids); });
  if (!status) return tl::unexpected(status.error());

  auto stop_on = parse_conditions(raw.stop_on, ConditionUse::stop_on);
  if (!stop_on) return tl::unexpected(stop_on.error());
  plan.stop_on = std::move(*stop_on);
  auto fail_if = parse_conditions(raw.fail_if, ConditionUse::fail_if);
  if (!fail_if) return tl::unexpected(fail_if.error());
  plan.fail_if = std::move(*fail_if);
  return plan;
}

}  // namespace ringload
