// A parameter that belongs to a network namespace has a file in each one's /proc/sys/net that its
// root may write; the kernel shows the machine's either not at all there, or read-only
// (ensure_safe_net_sysctl(), net/sysctl_net.c). That is what keeps the host untouched, also when
// its root calls; nothing outside of net. is ever opened for writing.
#include "client/tune/measure/arena.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "common/net/read_file.h"
#include "common/net/sysctl.h"

namespace ringtune {
namespace {

constexpr size_t kCountersBytesMax = size_t{1} << 20;

std::string path_of(std::string_view name) {
  std::string path = "/proc/sys/" + std::string(name);
  std::replace(path.begin(), path.end(), '.', '/');
  return path;
}

net::Status check_scope(const std::string& name) {
  const std::string path = path_of(name);
  if (name.find("..") != std::string::npos) return net::fail(name, EINVAL, "this is no name");
  if (name.rfind("net.", 0) != 0) {
    return net::fail(
        fmt::format("set {}", name), 0,
        "it is not of a network namespace but of the whole machine, and ringtune never "
        "writes there; `ringtune explain` says what it does");
  }
  struct stat facts {};
  if (::stat(path.c_str(), &facts) < 0) {
    const int error = errno;
    return net::fail(fmt::format("set {}", name), error,
                     "in a network namespace of its own it does not exist: it is misspelt, or of "
                     "the whole machine, where ringtune never writes");
  }
  if (!S_ISREG(facts.st_mode)) return net::fail(fmt::format("set {}", name), EISDIR);
  if ((facts.st_mode & S_IWUSR) == 0) {
    return net::fail(fmt::format("set {}", name), EACCES,
                     "a network namespace may only read it: it is of the whole machine, where "
                     "ringtune never writes");
  }
  return {};
}

net::Status apply(const std::vector<Setting>& settings) {
  for (const Setting& setting : settings) {
    const auto made = set_in_this_network(setting);
    if (!made) return tl::unexpected(made.error());
  }
  return {};
}

// Pairs of lines, "Group: name name" and "Group: 1 2", of /proc/net/netstat and snmp.
void add_columns(const std::string& text, CounterValues& values) {
  std::istringstream lines(text);
  std::string names_line;
  std::string values_line;
  while (std::getline(lines, names_line) && std::getline(lines, values_line)) {
    std::istringstream names(names_line);
    std::istringstream numbers(values_line);
    std::string name;
    std::string number;
    names >> name;
    numbers >> number;
    if (name != "Tcp:" && name != "TcpExt:") continue;
    while (names >> name && numbers >> number) {
      // MaxConn is -1; counters never are.
      if (number.find_first_not_of("0123456789") == std::string::npos) {
        values[name] += std::stoull(number);
      }
    }
  }
}

net::Status add_counters(CounterValues& values) {
  for (const char* path : {"/proc/thread-self/net/netstat", "/proc/thread-self/net/snmp"}) {
    const auto text = net::read_file(path, kCountersBytesMax);
    if (!text) return tl::unexpected(text.error());
    add_columns(*text, values);
  }
  return {};
}

}  // namespace

std::string spaced(const std::string& value) {
  std::istringstream words(value);
  std::string word;
  std::string joined;
  while (words >> word) joined += (joined.empty() ? "" : " ") + word;
  return joined;
}

net::Result<std::string> set_in_this_network(const Setting& setting) {
  if (auto status = check_scope(setting.name); !status) return tl::unexpected(status.error());
  if (auto status = net::write_sysctl(setting.name, setting.value); !status) {
    return tl::unexpected(status.error());
  }
  const auto present = net::read_sysctl(setting.name);
  if (!present) return tl::unexpected(present.error());
  return spaced(*present);
}

net::Result<std::unique_ptr<Arena>> Arena::make(const ArenaOptions& options,
                                                const std::vector<Setting>& settings) {
  std::unique_ptr<Arena> arena(new Arena());
  const auto apply_in = [&settings](const net::OwnedFd& network) -> net::Status {
    auto scope = net::NetworkScope::enter(network);
    if (!scope) return tl::unexpected(scope.error());
    return apply(settings);
  };
  if (options.wiring == Wiring::veth) {
    auto pair = net::make_veth_pair();
    if (!pair) return tl::unexpected(pair.error());
    arena->client_ = std::move(pair->near);
    arena->server_ = std::move(pair->far);
    arena->server_host_ = net::VethPair::kFarHost;
  } else {
    auto client = net::make_network();
    if (!client) return tl::unexpected(client.error());
    arena->client_ = std::move(*client);
  }
  if (options.wiring == Wiring::link) {
    auto server = net::make_network();
    if (!server) return tl::unexpected(server.error());
    arena->server_ = std::move(*server);
    arena->server_host_ = net::DelayedLink::kFarHost;
  }
  if (auto status = apply_in(arena->client_); !status) return tl::unexpected(status.error());
  if (arena->two_sides()) {
    if (auto status = apply_in(arena->server_); !status) return tl::unexpected(status.error());
  }
  if (options.wiring == Wiring::link) {
    auto link = net::DelayedLink::make(arena->client_, arena->server_, options.link);
    if (!link) return tl::unexpected(link.error());
    arena->link_ = std::move(*link);
  }
  return arena;
}

net::Result<CounterValues> Arena::counters() const {
  CounterValues values;
  for (const net::OwnedFd* network : {&client_, &server_}) {
    if (!network->valid()) continue;
    auto scope = net::NetworkScope::enter(*network);
    if (!scope) return tl::unexpected(scope.error());
    if (auto status = add_counters(values); !status) return tl::unexpected(status.error());
  }
  return values;
}

}  // namespace ringtune
