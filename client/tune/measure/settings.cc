// Each look at a network takes place in a cell: this process never leaves its own network.
#include "client/tune/measure/settings.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "client/tune/measure/cell.h"
#include "client/tune/measure/workload.h"
#include "common/net/sysctl.h"

namespace ringtune {
namespace {

constexpr double kLookLimit_s = 20;
// Group numbers, which another user namespace shows differently: not to be compared.
constexpr std::string_view kOfGroups = "net.ipv4.ping_group_range";
constexpr const char* kCopiedGroups[] = {"net.core", "net.ipv4"};

net::Result<std::pair<std::string, std::string>> split(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return net::fail(fmt::format("'{}' is not NAME=VALUE", text), 0,
                     "write net.core.somaxconn=128,1024");
  }
  std::string name = text.substr(0, equals);
  std::replace(name.begin(), name.end(), '/', '.');
  return std::pair{name, text.substr(equals + 1)};
}

// The files of the groups that can be read, by their dotted names; not those below them.
std::map<std::string, std::string> read_groups() {
  std::map<std::string, std::string> values;
  for (const std::string group : kCopiedGroups) {
    std::string path = "/proc/sys/" + group;
    std::replace(path.begin(), path.end(), '.', '/');
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) continue;  // a kernel without IPv4: nothing to copy
    while (const dirent* entry = ::readdir(directory)) {
      struct stat facts {};
      if (::stat((path + "/" + entry->d_name).c_str(), &facts) < 0 || !S_ISREG(facts.st_mode) ||
          (facts.st_mode & S_IWUSR) == 0 || (facts.st_mode & S_IRUSR) == 0) {
        continue;
      }
      const std::string name = group + "." + entry->d_name;
      if (name == kOfGroups) continue;
      // Keys of tcp_fastopen are for the host's root alone, and no matter of tuning.
      if (const auto value = net::read_sysctl(name)) values[name] = *value;
    }
    ::closedir(directory);
  }
  return values;
}

net::Error refused(const Setting& setting, net::Error error) {
  // The file is there; ENOENT is then what the kernel says of a name in it.
  if (error.errno_value == ENOENT && setting.name == kCongestion) {
    error.advice =
        "this kernel has none of that name, or not loaded: see "
        "net.ipv4.tcp_available_congestion_control";
  }
  if (error.errno_value == EPERM && setting.name == kCongestion) {
    error.advice =
        "a network of its own may only have those of net.ipv4.tcp_allowed_congestion_control";
  }
  if (error.advice.empty()) {
    const auto present = net::read_sysctl(setting.name);
    error.advice = fmt::format("the kernel does not take '{}'; it is '{}' here", setting.value,
                               present ? spaced(*present) : "unreadable");
  }
  return error;
}

}  // namespace

net::Result<Trial> parse_trial(const std::string& text) {
  const auto parts = split(text);
  if (!parts) return tl::unexpected(parts.error());
  const char separator = parts->second.find(';') != std::string::npos ? ';' : ',';
  Trial trial{parts->first, {}};
  for (size_t from = 0; from <= parts->second.size();) {
    const size_t end = std::min(parts->second.find(separator, from), parts->second.size());
    const std::string value = spaced(parts->second.substr(from, end - from));
    if (value.empty()) return net::fail(fmt::format("'{}': a value is empty", text), 0);
    if (std::find(trial.values.begin(), trial.values.end(), value) != trial.values.end()) {
      return net::fail(fmt::format("'{}': {} is there twice", text, value), 0);
    }
    trial.values.push_back(value);
    from = end + 1;
  }
  return trial;
}

net::Result<Setting> parse_setting(const std::string& text) {
  const auto parts = split(text);
  if (!parts) return tl::unexpected(parts.error());
  return Setting{parts->first, spaced(parts->second)};
}

net::Result<Surroundings> copy_of_the_host() {
  const std::map<std::string, std::string> host = read_groups();
  const auto answer = run_in_cell(
      [&host]() -> net::Result<nlohmann::json> {
        auto arena = Arena::make({}, {});
        if (!arena) return tl::unexpected(arena.error());
        auto scope = (*arena)->on_client_side();
        if (!scope) return tl::unexpected(scope.error());
        nlohmann::json copied = nlohmann::json::array();
        nlohmann::json not_copied = nlohmann::json::array();
        for (const auto& [name, value] : read_groups()) {
          const auto there = host.find(name);
          if (there == host.end() || spaced(there->second) == spaced(value)) continue;
          const Setting setting{name, spaced(there->second)};
          if (const auto made = set_in_this_network(setting); made) {
            copied.push_back({name, setting.value});
          } else {
            not_copied.push_back(fmt::format("{}: {}", name, made.error().message()));
          }
        }
        return nlohmann::json{{"copied", copied}, {"not_copied", not_copied}};
      },
      kLookLimit_s);
  if (!answer) return tl::unexpected(answer.error());
  Surroundings surroundings;
  for (const auto& entry : answer->at("copied")) {
    surroundings.copied.push_back({entry[0], entry[1]});
  }
  for (const auto& entry : answer->at("not_copied")) surroundings.not_copied.push_back(entry);
  return surroundings;
}

net::Status try_values(const std::vector<Setting>& surroundings, const std::vector<Trial>& trials) {
  const auto answer = run_in_cell(
      [&]() -> net::Result<nlohmann::json> {
        for (const Trial& trial : trials) {
          for (const std::string& value : trial.values) {
            auto arena = Arena::make({}, surroundings);
            if (!arena) return tl::unexpected(arena.error());
            auto scope = (*arena)->on_client_side();
            if (!scope) return tl::unexpected(scope.error());
            const Setting setting{trial.name, value};
            const auto made = set_in_this_network(setting);
            if (!made) return tl::unexpected(refused(setting, made.error()));
            if (*made != value) {
              return net::fail(
                  fmt::format("set {} to '{}'", trial.name, value), 0,
                  fmt::format("the kernel made '{}' of it; give that instead{}", *made,
                              trial.values.size() > 1
                                  ? fmt::format(", or, if the commas were to be spaces, '{}={}'",
                                                trial.name, fmt::join(trial.values, " "))
                                  : std::string()));
            }
          }
        }
        return nlohmann::json(true);
      },
      kLookLimit_s);
  if (!answer) return tl::unexpected(answer.error());
  return {};
}

net::Result<std::vector<std::string>> present_values(const std::vector<Setting>& surroundings,
                                                     const std::vector<Trial>& trials) {
  const auto answer = run_in_cell(
      [&]() -> net::Result<nlohmann::json> {
        auto arena = Arena::make({}, surroundings);
        if (!arena) return tl::unexpected(arena.error());
        auto scope = (*arena)->on_client_side();
        if (!scope) return tl::unexpected(scope.error());
        nlohmann::json values = nlohmann::json::array();
        for (const Trial& trial : trials) {
          const auto value = net::read_sysctl(trial.name);
          if (!value) return tl::unexpected(value.error());
          values.push_back(spaced(*value));
        }
        return values;
      },
      kLookLimit_s);
  if (!answer) return tl::unexpected(answer.error());
  return answer->get<std::vector<std::string>>();
}

}  // namespace ringtune
