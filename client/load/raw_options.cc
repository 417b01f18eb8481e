// The words of single options: times, ramps, source addresses. Each error says what to write.
#include "client/load/raw_options.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

namespace ringload {
namespace {

constexpr unsigned kSourceBitsMax = 16;  // a CIDR of 65,536 addresses at most

}  // namespace

tl::unexpected<net::Error> mistake(std::string what, std::string advice) {
  return net::fail(std::move(what), 0, std::move(advice));
}

net::Result<double> parse_time_s(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  const std::string_view unit(last, static_cast<size_t>(end - last));
  const double factor = unit == "ms"                   ? 1e-3
                        : unit == "us"                 ? 1e-6
                        : unit == "s" || unit.empty()  ? 1
                        : unit == "m" || unit == "min" ? 60
                        : unit == "h"                  ? 3600
                                                       : 0;
  if (error != std::errc() || factor == 0 || !(value >= 0) || value * factor > 1e7) {
    return mistake(fmt::format("'{}' is not a time", text), "write 500ms, 10s, 2m or 1h");
  }
  return value * factor;
}

net::Result<std::vector<net::Address>> parse_source(const std::string& text) {
  const size_t slash = text.find('/');
  auto base = net::Address::parse_host(text.substr(0, slash));
  if (!base) {
    return mistake(fmt::format("--source '{}' is not an address", text),
                   "write 10.0.0.2, 10.0.0.0/28 or fd00::2");
  }
  if (slash == std::string::npos) return std::vector<net::Address>{*base};
  const bool ipv4 = base->family() == AF_INET;
  const unsigned all_bits = ipv4 ? 32 : 128;
  unsigned prefix = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data() + slash + 1, end, prefix).ptr != end || prefix > all_bits ||
      all_bits - prefix > kSourceBitsMax) {
    return mistake(fmt::format("--source '{}': the prefix", text),
                   fmt::format("write /{} to /{}", all_bits - kSourceBitsMax, all_bits));
  }
  const uint32_t count = 1U << (all_bits - prefix);
  sockaddr_storage storage{};
  std::memcpy(&storage, base->data(), base->size());
  unsigned char* bytes =
      ipv4 ? reinterpret_cast<unsigned char*>(&reinterpret_cast<sockaddr_in&>(storage).sin_addr)
           : reinterpret_cast<sockaddr_in6&>(storage).sin6_addr.s6_addr;
  unsigned char* low = bytes + all_bits / 8 - 4;  // the prefix leaves 16 bits at most
  uint32_t low_bits = 0;
  std::memcpy(&low_bits, low, 4);
  const uint32_t first = ntohl(low_bits) & ~(count - 1);
  const bool has_broadcast = ipv4 && count > 2;
  std::vector<net::Address> sources;
  for (uint32_t i = has_broadcast ? 1 : 0; i < count - (has_broadcast ? 1 : 0); ++i) {
    const uint32_t network_order = htonl(first + i);
    std::memcpy(low, &network_order, 4);
    sources.push_back(
        net::Address::of_sockaddr(reinterpret_cast<sockaddr*>(&storage), base->size()));
  }
  return sources;
}

net::Result<Stage> parse_ramp(const std::string& text) {
  const std::string advice = "write FROM:TO:TIME, such as 100:5000:30s";
  const size_t first = text.find(':');
  const size_t second = first == std::string::npos ? first : text.find(':', first + 1);
  if (second == std::string::npos) return mistake(fmt::format("--ramp '{}'", text), advice);
  Stage stage;
  const auto read = [&text](size_t from, size_t to, double& value) {
    const char* end = text.data() + to;
    const auto [last, error] = std::from_chars(text.data() + from, end, value);
    return error == std::errc() && last == end && value >= 0 && value <= 1e9;
  };
  if (!read(0, first, stage.from) || !read(first + 1, second, stage.to) ||
      stage.from + stage.to <= 0) {
    return mistake(fmt::format("--ramp '{}'", text), advice);
  }
  auto duration_s = parse_time_s(text.substr(second + 1));
  if (!duration_s) return tl::unexpected(duration_s.error());
  if (*duration_s <= 0) return mistake(fmt::format("--ramp '{}' takes no time", text), advice);
  stage.duration_s = *duration_s;
  return stage;
}

}  // namespace ringload
