// Text about ports. Everything it says was read or computed elsewhere (surroundings, census,
// forecast); it only arranges it.
#include "client/load/sockets/ports_command.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/sockets/census.h"
#include "client/load/sockets/forecast.h"
#include "client/load/sockets/surroundings.h"
#include "common/net/sock_diag.h"
#include "common/net/tcp_counters.h"

namespace ringload {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kLabelColumns = 17;  // "  tcp_timestamps ", and the like
constexpr size_t kDestinationsShown = 10;

// `text` in lines of at most kColumns, the first behind `label`, the others below its beginning.
std::string paragraph(std::string_view label, std::string_view text) {
  std::string lines(label);
  const size_t indent = label.size();
  size_t column = indent;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + end > kColumns) {
      lines += '\n' + std::string(indent, ' ');
      column = indent;
    }
    if (column > indent) {
      lines += ' ';
      ++column;
    }
    lines += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines + '\n';
}

std::string fact(std::string_view label, std::string_view text) {
  return paragraph(fmt::format("  {:<{}}", label, kLabelColumns - 2), text);
}

std::string reuse_in_words(const PortFacts& facts) {
  const std::string after = fmt::format(
      "connect() may take over a port that has been in TIME_WAIT for {} ms (tcp_tw_reuse_delay)",
      facts.tw_reuse_delay_ms);
  const std::string with_timestamps = facts.timestamps ? "" : "; but not without timestamps";
  if (facts.tw_reuse == 0) return "0: a port in TIME_WAIT is held for all of its 60 s";
  if (facts.tw_reuse == 1) return "1: " + after + with_timestamps;
  return fmt::format(
      "{}: where either end is 127.0.0.0/8 or ::1, {}{}; elsewhere it is held for 60 s",
      facts.tw_reuse, after, with_timestamps);
}

std::string facts_text(const Surroundings& around, const net::TcpCounters& counters) {
  const PortFacts& facts = around.facts;
  std::string text = "Ephemeral ports of this network namespace\n";
  text +=
      fact("range", fmt::format("{}-{}, {} ports (net.ipv4.ip_local_port_range)", facts.range_first,
                                facts.range_last, facts.range_last - facts.range_first + 1));
  text += fact("reserved",
               fmt::format("{} of them (net.ipv4.ip_local_reserved_ports)", facts.reserved));
  text += fact("bound", fmt::format("{} more, by listeners and other bound sockets", facts.bound));
  text += fact("usable", fmt::format("{} ports for each source address and each destination",
                                     around.usable.count()));
  text += fact("tcp_tw_reuse", reuse_in_words(facts));
  text += fact("tcp_timestamps",
               facts.timestamps ? "on, as tcp_tw_reuse needs" : "0: off, and so is tcp_tw_reuse");
  text += fact("TIME_WAIT", fmt::format("{} sockets in all; at most {} (tcp_max_tw_buckets)",
                                        counters.time_wait, facts.tw_buckets_max));
  return text;
}

struct DestinationUse {
  std::string address;
  uint64_t in_use = 0;
  uint64_t time_wait = 0;
  std::optional<uint32_t> next_free_ms;

  uint64_t ports() const { return in_use + time_wait; }
};

bool is_reusable(PortFacts facts, const net::SeenSocket& socket) {
  facts.loopback = socket.local.is_loopback() || socket.remote.is_loopback();
  return forecast_of(facts).time_wait_reusable;
}

// Connections that began here: their local port is one that connect() chooses. A server's end has
// a bound port, or one outside of the range.
net::Result<std::vector<DestinationUse>> use_by_destination(net::SockDiag& diag,
                                                            const Surroundings& around) {
  std::map<net::Endpoint, DestinationUse> uses;
  const auto count = [&](const net::SeenSocket& socket) {
    if (socket.remote.port == 0 || !around.usable.test(socket.local.port)) return;
    DestinationUse& use = uses[socket.remote];
    (socket.state == net::TcpState::time_wait ? use.time_wait : use.in_use) += 1;
    const uint32_t blocked_ms =
        blocked_for_ms(socket, is_reusable(around.facts, socket), around.facts.tw_reuse_delay_ms);
    if (blocked_ms == 0) return;
    use.next_free_ms = std::min(use.next_free_ms.value_or(blocked_ms), blocked_ms);
  };
  for (const int family : {AF_INET, AF_INET6}) {
    const net::SocketFilter connections{
        .states = net::kAllStates & ~net::kBindingStates, .locals = {}, .remotes = {}};
    if (auto status = diag.dump(family, connections, count); !status) {
      return tl::unexpected(status.error());
    }
  }
  std::vector<DestinationUse> sorted;
  for (auto& [remote, use] : uses) {
    use.address = remote.text();
    sorted.push_back(std::move(use));
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& one, const auto& other) { return one.ports() > other.ports(); });
  return sorted;
}

std::string seconds_text(const std::optional<uint32_t>& in_ms) {
  return in_ms ? fmt::format("in {:.0f} s", std::ceil(*in_ms / 1000.0)) : "-";
}

std::string destinations_text(const std::vector<DestinationUse>& uses) {
  if (uses.empty()) return "\nNo connection holds an ephemeral port.\n";
  std::string text =
      fmt::format("\n{:<42} {:>8} {:>10} {:>16}\n", "Destinations that hold most ports", "in use",
                  "TIME_WAIT", "next comes free");
  const size_t shown = std::min(uses.size(), kDestinationsShown);
  for (size_t i = 0; i < shown; ++i) {
    text += fmt::format("  {:<40} {:>8} {:>10} {:>16}\n", uses[i].address, uses[i].in_use,
                        uses[i].time_wait, seconds_text(uses[i].next_free_ms));
  }
  if (uses.size() > shown) {
    uint64_t ports = 0;
    for (size_t i = shown; i < uses.size(); ++i) ports += uses[i].ports();
    text += fmt::format("  and {} more, with {} ports\n", uses.size() - shown, ports);
  }
  return text;
}

std::string target_text(const net::Address& to, const Surroundings& around, const Census& census) {
  std::string text = fmt::format("\n{:<42} {:>8} {:>10} {:>16}\n", "To " + to.text() + ", from",
                                 "in use", "TIME_WAIT", "free");
  for (size_t i = 0; i < around.pairs.size(); ++i) {
    const PairUse& use = census.pairs[i];
    const uint64_t usable = around.usable.count();
    text += fmt::format("  {:<40} {:>8} {:>10} {:>16}\n", around.pairs[i].source.host_text(),
                        use.in_use, use.time_wait, usable - std::min(usable, use.blocked));
  }
  if (around.server_is_here) {
    text += fmt::format("  the server is in this namespace too: {} of its sockets in TIME_WAIT\n",
                        census.time_wait_server);
  }
  text += "\n" + paragraph("  ", explain(around.facts, forecast_of(around.facts)) + ".");
  const Remedies remedies = remedies_for(around.facts);
  text += "\nMore connections a second, by\n";
  for (const std::string& remedy : remedies.helps) text += paragraph("  - ", remedy);
  text += "\nWhat would not help\n";
  for (const std::string& remedy : remedies.does_not_help) text += paragraph("  - ", remedy);
  return text;
}

net::Result<std::string> ports_text(const std::optional<net::Address>& to) {
  if (to && (to->is_unix() || to->port() == 0)) {
    return net::fail("ports --to " + to->text(), 0, "give the address and port of a TCP server");
  }
  auto diag = net::SockDiag::open();
  if (!diag) return tl::unexpected(diag.error());
  auto reader = net::TcpCounterReader::open();
  if (!reader) return tl::unexpected(reader.error());
  const auto counters = (*reader)->read();
  if (!counters) return tl::unexpected(counters.error());
  const auto around = to ? look_around(**diag, {*to}, {}) : look_around(**diag);
  if (!around) return tl::unexpected(around.error());
  const auto uses = use_by_destination(**diag, *around);
  if (!uses) return tl::unexpected(uses.error());

  std::string text = facts_text(*around, *counters) + destinations_text(*uses);
  if (to) {
    const auto census = take_census(**diag, *around, 0);
    if (!census) return tl::unexpected(census.error());
    text += target_text(*to, *around, *census);
  }
  return text;
}

}  // namespace

int show_ports(const std::optional<net::Address>& to, FILE* out) {
  const net::Result<std::string> text = ports_text(to);
  if (!text) {
    fmt::print(stderr, "ringload: {}\n", text.error().message());
    return 1;
  }
  if (std::fputs(text->c_str(), out) < 0 || std::fflush(out) != 0) {
    fmt::print(stderr, "ringload: {}\n", net::Error{"write", errno, {}}.message());
    return 1;
  }
  return 0;
}

}  // namespace ringload
