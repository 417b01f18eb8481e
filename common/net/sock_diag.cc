// Builds the request with its filter program, reads the answers message by message. It relies on
// one dump at a time per netlink socket; after a failure the socket is replaced, since the rest of
// the old dump is still queued on it. It never changes a socket (SOCK_DESTROY is not used).
#include "common/net/sock_diag.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace net {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint8_t kTimerOfTimeWait = 3;  // idiag_timer, sock_diag(7)
// A jump's distance is 16 bits, and the kernel tries the conditions one after the other: longer
// lists are looked through here.
constexpr size_t kConditionsMax = 128;

Endpoint endpoint_of(uint8_t family, const __be32 (&words)[4], __be16 port) {
  Endpoint endpoint;
  if (family == AF_INET) {
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), endpoint.ip.begin());
    std::memcpy(endpoint.ip.data() + kMappedPrefix.size(), words, 4);
  } else {
    std::memcpy(endpoint.ip.data(), words, endpoint.ip.size());
  }
  endpoint.port = ntohs(port);
  return endpoint;
}

template <typename Value>
void append(std::vector<char>& bytes, const Value& value) {
  const size_t end = bytes.size();
  bytes.resize(end + sizeof value);
  std::memcpy(bytes.data() + end, &value, sizeof value);
}

// "Is this end that endpoint?", as a condition for the kernel. A condition on an IPv4 address also
// holds for the v4-mapped address of an AF_INET6 socket (inet_diag_bc_run()).
std::vector<char> condition(uint8_t code, const Endpoint& endpoint) {
  const size_t ip_bytes = endpoint.is_ipv4() ? 4 : 16;
  const size_t size = sizeof(inet_diag_bc_op) + sizeof(inet_diag_hostcond) + ip_bytes;
  std::vector<char> bytes;
  // If it holds, go on behind it; if not, behind the jump that follows.
  append(bytes, inet_diag_bc_op{code, static_cast<unsigned char>(size),
                                static_cast<unsigned short>(size + sizeof(inet_diag_bc_op))});
  inet_diag_hostcond host{};
  host.family = endpoint.is_ipv4() ? AF_INET : AF_INET6;
  host.prefix_len = static_cast<uint8_t>(8 * ip_bytes);
  host.port = endpoint.port == 0 ? -1 : endpoint.port;
  append(bytes, host);
  bytes.insert(bytes.end(), endpoint.ip.end() - ip_bytes, endpoint.ip.end());
  return bytes;
}

// A program that accepts a socket as soon as one condition holds: conditions with jumps to the end
// between them. To run exactly to the end is to accept; the last condition has no jump behind it,
// so that "not" there leads four bytes beyond the end, which is to refuse.
std::vector<char> program_of(const SocketFilter& filter) {
  std::vector<char> program;
  const auto put_in_front = [&program](const std::vector<char>& condition_bytes) {
    std::vector<char> front = condition_bytes;
    if (!program.empty()) {
      const size_t to_end = sizeof(inet_diag_bc_op) + program.size();
      append(front, inet_diag_bc_op{INET_DIAG_BC_JMP, sizeof(inet_diag_bc_op),
                                    static_cast<unsigned short>(to_end)});
    }
    program.insert(program.begin(), front.begin(), front.end());
  };
  for (const Endpoint& end : filter.locals) put_in_front(condition(INET_DIAG_BC_S_COND, end));
  for (const Endpoint& end : filter.remotes) put_in_front(condition(INET_DIAG_BC_D_COND, end));
  return program;
}

bool too_long_for_the_kernel(const SocketFilter& filter) {
  return filter.locals.size() + filter.remotes.size() > kConditionsMax;
}

SocketVisitor filtered_here(const SocketFilter& filter, const SocketVisitor& visit) {
  using Ends = std::set<Endpoint>;
  return [locals = Ends(filter.locals.begin(), filter.locals.end()),
          remotes = Ends(filter.remotes.begin(), filter.remotes.end()),
          &visit](const SeenSocket& socket) {
    const auto is_among = [](const Ends& ends, Endpoint end) {
      if (ends.count(end) != 0) return true;
      end.port = 0;
      return ends.count(end) != 0;
    };
    if (is_among(locals, socket.local) || is_among(remotes, socket.remote)) visit(socket);
  };
}

std::string open_advice(int errno_value) {
  if (errno_value == ENOENT || errno_value == EPROTONOSUPPORT) {
    return "the kernel lacks sock_diag for TCP; load the modules inet_diag and tcp_diag";
  }
  return "a sandbox may forbid netlink; allow AF_NETLINK sockets";
}

// What the attribute of this type holds; empty where there is none.
std::string_view attribute_of(const nlmsghdr& header, uint16_t type) {
  const auto* at = reinterpret_cast<const char*>(&header) + NLMSG_SPACE(sizeof(inet_diag_msg));
  const char* end = reinterpret_cast<const char*>(&header) + header.nlmsg_len;
  while (at + sizeof(nlattr) <= end) {
    nlattr attribute;
    std::memcpy(&attribute, at, sizeof attribute);
    if (attribute.nla_len < NLA_HDRLEN || at + attribute.nla_len > end) break;
    if (attribute.nla_type == type) {
      return {at + NLA_HDRLEN, size_t{attribute.nla_len} - NLA_HDRLEN};
    }
    at += NLA_ALIGN(attribute.nla_len);
  }
  return {};
}

bool is_v6_only(const nlmsghdr& header) {
  const std::string_view value = attribute_of(header, INET_DIAG_SKV6ONLY);
  return !value.empty() && value.front() != 0;
}

std::optional<SocketMemory> memory_in(const nlmsghdr& header) {
  std::array<uint32_t, SK_MEMINFO_DROPS + 1> words{};
  const std::string_view value = attribute_of(header, INET_DIAG_SKMEMINFO);
  if (value.size() < sizeof words) return std::nullopt;
  std::memcpy(words.data(), value.data(), sizeof words);
  return SocketMemory{words[SK_MEMINFO_RMEM_ALLOC], words[SK_MEMINFO_WMEM_QUEUED],
                      words[SK_MEMINFO_FWD_ALLOC], words[SK_MEMINFO_DROPS]};
}

SeenSocket seen_in(const nlmsghdr& header) {
  const auto& message = *static_cast<const inet_diag_msg*>(NLMSG_DATA(&header));
  SeenSocket seen;
  seen.state = static_cast<TcpState>(message.idiag_state);
  seen.local = endpoint_of(message.idiag_family, message.id.idiag_src, message.id.idiag_sport);
  seen.remote = endpoint_of(message.idiag_family, message.id.idiag_dst, message.id.idiag_dport);
  if (seen.state == TcpState::listen) seen.backlog = message.idiag_wqueue;
  if (message.idiag_timer == kTimerOfTimeWait) seen.expires_in_ms = message.idiag_expires;
  seen.memory = memory_in(header);
  if (seen.state == TcpState::listen) seen.v6_only = is_v6_only(header);
  return seen;
}

}  // namespace

Endpoint Endpoint::of(const Address& address) {
  __be32 words[4] = {};
  if (address.family() == AF_INET) {
    std::memcpy(words, &reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, 4);
  } else {
    std::memcpy(words, &reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, 16);
  }
  return endpoint_of(static_cast<uint8_t>(address.family()), words, htons(address.port()));
}

bool Endpoint::is_ipv4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.begin());
}

bool Endpoint::is_wildcard() const {
  return std::all_of(ip.begin() + (is_ipv4() ? kMappedPrefix.size() : 0), ip.end(),
                     [](uint8_t byte) { return byte == 0; });
}

bool Endpoint::is_loopback() const {
  if (is_ipv4()) return ip[kMappedPrefix.size()] == IN_LOOPBACKNET;
  return std::memcmp(ip.data(), &in6addr_loopback, ip.size()) == 0;
}

std::string Endpoint::host_text() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (is_ipv4()) {
    ::inet_ntop(AF_INET, ip.data() + kMappedPrefix.size(), text, sizeof text);
  } else {
    ::inet_ntop(AF_INET6, ip.data(), text, sizeof text);
  }
  return text;
}

std::string Endpoint::text() const {
  return is_ipv4() ? fmt::format("{}:{}", host_text(), port)
                   : fmt::format("[{}]:{}", host_text(), port);
}

Result<std::unique_ptr<SockDiag>> SockDiag::open() {
  std::unique_ptr<SockDiag> diag(new SockDiag());
  if (auto status = diag->open_socket(); !status) return tl::unexpected(status.error());
  return diag;
}

Status SockDiag::open_socket() {
  socket_.reset(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!socket_.valid()) return fail("socket NETLINK_SOCK_DIAG", errno, open_advice(errno));
  return {};
}

Status SockDiag::dump(int family, const SocketFilter& filter, const SocketVisitor& visit) {
  if (!socket_.valid()) {
    if (auto status = open_socket(); !status) return status;
  }
  if (auto status = send_request(family, filter); !status) return status;
  const SocketVisitor& visit_passing =
      too_long_for_the_kernel(filter) ? filtered_here(filter, visit) : visit;
  for (;;) {
    const Result<Progress> progress = receive_part(visit_passing);
    if (!progress) {
      socket_.reset();
      return tl::unexpected(progress.error());
    }
    if (*progress == Progress::done) return {};
  }
}

Status SockDiag::send_request(int family, const SocketFilter& filter) {
  std::vector<char> program;
  if (!too_long_for_the_kernel(filter)) program = program_of(filter);

  inet_diag_req_v2 query{};
  query.sdiag_family = static_cast<uint8_t>(family);
  query.sdiag_protocol = IPPROTO_TCP;
  query.idiag_states = filter.states;
  if (filter.with_memory) query.idiag_ext |= 1U << (INET_DIAG_SKMEMINFO - 1);
  nlmsghdr header{};
  header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header.nlmsg_seq = ++sequence_;
  header.nlmsg_len = NLMSG_LENGTH(sizeof query);
  nlattr attribute{};
  attribute.nla_type = INET_DIAG_REQ_BYTECODE;
  attribute.nla_len = static_cast<uint16_t>(NLA_HDRLEN + program.size());
  if (!program.empty()) header.nlmsg_len += attribute.nla_len;

  std::vector<char> request;
  append(request, header);
  append(request, query);
  if (!program.empty()) {
    append(request, attribute);
    request.insert(request.end(), program.begin(), program.end());
  }
  ssize_t sent = 0;
  do {
    sent = ::send(socket_.get(), request.data(), request.size(), 0);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return fail("sock_diag: send", errno, open_advice(errno));
  return {};
}

Result<SockDiag::Progress> SockDiag::receive_part(const SocketVisitor& visit) {
  ssize_t got = 0;
  do {
    got = ::recv(socket_.get(), buffer_.data(), buffer_.size(), MSG_TRUNC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail("sock_diag: recv", errno, "too many sockets at once: ask again");
  if (got == 0) return fail("sock_diag: the kernel ended the dump early", EPROTO);
  if (static_cast<size_t>(got) > buffer_.size()) {
    return fail(fmt::format("sock_diag: a message of {} bytes", got), EMSGSIZE);
  }
  int left = static_cast<int>(got);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data()); NLMSG_OK(header, left);
       header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_seq != sequence_) continue;
    if (header->nlmsg_flags & NLM_F_DUMP_INTR) {
      return fail("sock_diag: the table changed during the dump", EINTR, "ask again");
    }
    if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) {
      // Both begin with a negative errno; NLMSG_DONE's is 0 when all went well.
      int error = 0;
      if (header->nlmsg_len >= NLMSG_LENGTH(sizeof error)) {
        std::memcpy(&error, NLMSG_DATA(header), sizeof error);
      }
      if (error != 0) return fail("sock_diag: dump", -error, open_advice(-error));
      return Progress::done;
    }
    if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg))) visit(seen_in(*header));
  }
  return Progress::more;
}

}  // namespace net
