// A raw packet socket with a large buffer, read without blocking when somebody looks.
#include "common/net/capture.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <fstream>
#include <thread>

#include "common/net/require.h"

namespace net {
namespace {

constexpr int kBufferBytes = 32 << 20;  // of the kernel, between two looks
constexpr size_t kFrameBytesMax = 65536 + 256;
constexpr int kStampTriesMax = 20'000;  // a millisecond each: the queue may be long
constexpr int64_t kNsPerSecond = 1'000'000'000;

constexpr size_t kEthernetBytes = 14;
constexpr size_t kIpv6Bytes = 40;
constexpr size_t kTcpBytesMin = 20;

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

// The time a packet came, of what recvmsg(2) said about it; 0 if nothing.
int64_t stamp_of(msghdr& message) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec at{};
    std::memcpy(&at, CMSG_DATA(each), sizeof at);
    return at.tv_sec * kNsPerSecond + at.tv_nsec;
  }
  return 0;
}

// The kernel begins to stamp packets some time after it was asked to (net_enable_timestamp() in
// net/core/dev.c leaves it to a work queue), and what came before is stamped when it is read. Asks,
// and waits until a datagram that is read late has the time it came.
OwnedFd await_stamps() {
  OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  require(socket.valid(), "socket AF_INET");
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = reinterpret_cast<sockaddr*>(&self);
  socklen_t size = sizeof self;
  const int on = 1;
  require(::bind(socket.get(), address, size) == 0, "bind");
  require(::getsockname(socket.get(), address, &size) == 0, "getsockname");
  require(::connect(socket.get(), address, size) == 0, "connect");
  require(::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0,
          "setsockopt SO_TIMESTAMPNS");
  for (int tries = 0; tries < kStampTriesMax; ++tries) {
    char byte = 0;
    require(::send(socket.get(), &byte, 1, 0) == 1, "send");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const int64_t read_ns = now_ns();
    require(::recvmsg(socket.get(), &message, 0) == 1, "recvmsg");
    if (stamp_of(message) < read_ns) return socket;
  }
  throw std::runtime_error("the kernel does not say when packets came");
}

uint8_t byte_at(std::string_view bytes, size_t index) { return static_cast<uint8_t>(bytes[index]); }

uint16_t number16_at(std::string_view bytes, size_t index) {
  return static_cast<uint16_t>(byte_at(bytes, index) << 8 | byte_at(bytes, index + 1));
}

uint32_t number32_at(std::string_view bytes, size_t index) {
  return static_cast<uint32_t>(number16_at(bytes, index)) << 16 | number16_at(bytes, index + 2);
}

// Ends of an IP packet and what is behind its header, if that is a whole TCP header.
struct IpPayload {
  Endpoint from, to;
  std::string_view bytes;
};

std::optional<IpPayload> tcp_of_ipv4(std::string_view packet) {
  if (packet.size() < 20) return std::nullopt;
  const size_t header_bytes = size_t{byte_at(packet, 0)} % 16 * 4;
  const bool is_fragment = (number16_at(packet, 6) & 0x3FFF) != 0;
  if (byte_at(packet, 9) != IPPROTO_TCP || is_fragment || packet.size() < header_bytes) {
    return std::nullopt;
  }
  IpPayload payload;
  for (auto [end, offset] : {std::pair(&payload.from, 12), std::pair(&payload.to, 16)}) {
    end->ip[10] = end->ip[11] = 0xFF;
    std::memcpy(&end->ip[12], packet.data() + offset, 4);
  }
  // The total length is 0 where the packet is beyond 64 KiB.
  size_t total = number16_at(packet, 2);
  if (total == 0 || total > packet.size()) total = packet.size();
  if (total < header_bytes) return std::nullopt;
  payload.bytes = packet.substr(header_bytes, total - header_bytes);
  return payload;
}

std::optional<IpPayload> tcp_of_ipv6(std::string_view packet) {
  if (packet.size() < kIpv6Bytes || byte_at(packet, 6) != IPPROTO_TCP) return std::nullopt;
  IpPayload payload;
  std::memcpy(payload.from.ip.data(), packet.data() + 8, 16);
  std::memcpy(payload.to.ip.data(), packet.data() + 24, 16);
  payload.bytes = packet.substr(kIpv6Bytes);
  return payload;
}

void read_options(std::string_view options, Segment& segment) {
  size_t at = 0;
  while (at < options.size()) {
    const uint8_t kind = byte_at(options, at);
    if (kind == 0) return;  // end of the list
    if (kind == 1) {        // no operation
      ++at;
      continue;
    }
    if (at + 2 > options.size()) return;
    const uint8_t length = byte_at(options, at + 1);
    if (length < 2 || at + length > options.size()) return;
    if (kind == 2 && length == 4) segment.mss = number16_at(options, at + 2);
    if (kind == 3 && length == 3) segment.window_scale = byte_at(options, at + 2);
    if (kind == 4) segment.sack_permitted = true;
    if (kind == 8) segment.has_timestamps = true;
    at += length;
  }
}

}  // namespace

std::optional<Segment> segment_of(const Packet& packet, int64_t begin_ns) {
  const std::string_view frame = packet.ethernet;
  if (frame.size() < kEthernetBytes) return std::nullopt;
  const uint16_t type = number16_at(frame, 12);
  const std::string_view inner = frame.substr(kEthernetBytes);
  const auto payload = type == ETH_P_IP     ? tcp_of_ipv4(inner)
                       : type == ETH_P_IPV6 ? tcp_of_ipv6(inner)
                                            : std::nullopt;
  if (!payload || payload->bytes.size() < kTcpBytesMin) return std::nullopt;
  const std::string_view tcp = payload->bytes;
  const size_t header_bytes = size_t{byte_at(tcp, 12)} / 16 * 4;
  if (header_bytes < kTcpBytesMin || header_bytes > tcp.size()) return std::nullopt;
  const uint8_t flags = byte_at(tcp, 13);
  Segment segment;
  segment.seconds = static_cast<double>(packet.at_ns - begin_ns) / kNsPerSecond;
  segment.from = payload->from;
  segment.to = payload->to;
  segment.from.port = number16_at(tcp, 0);
  segment.to.port = number16_at(tcp, 2);
  segment.seq = number32_at(tcp, 4);
  segment.ack_number = number32_at(tcp, 8);
  segment.fin = flags & 1;
  segment.syn = flags & 2;
  segment.rst = flags & 4;
  segment.psh = flags & 8;
  segment.ack = flags & 16;
  segment.urg = flags & 32;
  segment.window = number16_at(tcp, 14);
  segment.data = tcp.substr(header_bytes);
  read_options(tcp.substr(kTcpBytesMin, header_bytes - kTcpBytesMin), segment);
  return segment;
}

namespace {

template <typename T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

std::string Segment::flags() const {
  std::string names;
  for (const auto& [is_set, name] :
       {std::pair(syn, "SYN"), std::pair(fin, "FIN"), std::pair(rst, "RST"), std::pair(psh, "PSH"),
        std::pair(urg, "URG"), std::pair(ack, "ACK")}) {
    if (is_set) names += (names.empty() ? "" : ",") + std::string(name);
  }
  return names;
}

std::string Segment::text() const {
  return fmt::format("{} > {} {} seq {} ack {} length {}", from.port, to.port, flags(), seq,
                     ack_number, data.size());
}

void replay(const Packet& packet, const std::string& interface) {
  // struct virtio_net_hdr; <linux/virtio_net.h> is no C++.
  struct {
    uint8_t flags = 0, gso_type = 0;
    uint16_t header_bytes = 0, gso_bytes = 0, checksum_start = 0, checksum_offset = 0;
  } header;
  constexpr uint8_t kNeedsChecksum = 1;
  const OwnedFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  require(socket.valid(), "socket AF_PACKET");
  const int on = 1;
  require(::setsockopt(socket.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0,
          "setsockopt PACKET_VNET_HDR");
  const std::string_view frame = packet.ethernet;
  if (segment_of(packet)) {  // captured before the device would have computed its checksum
    const bool is_ipv4 = number16_at(frame, 12) == ETH_P_IP;
    const size_t ip_bytes = is_ipv4 ? size_t{byte_at(frame, kEthernetBytes)} % 16 * 4 : kIpv6Bytes;
    header.flags = kNeedsChecksum;
    header.checksum_start = static_cast<uint16_t>(kEthernetBytes + ip_bytes);
    header.checksum_offset = 16;
  }
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += frame;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  require(to.sll_ifindex != 0, "if_nametoindex");
  require(::sendto(socket.get(), bytes.data(), bytes.size(), 0,
                   reinterpret_cast<const sockaddr*>(&to), sizeof to) >= 0,
          "sendto AF_PACKET");
}

Capture::Capture(const std::string& interface)
    : is_loopback_(interface == "lo"), begin_ns_(now_ns()), buffer_(kFrameBytesMax, '\0') {
  const OwnedFd stamping = await_stamps();  // goes on until socket_ asks for itself
  // With protocol 0 nothing is heard until bind(2), which names the interface.
  socket_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  require(socket_.valid(), "socket AF_PACKET");
  const int on = 1;
  // Beyond net.core.rmem_max where it is allowed.
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof(int)) != 0) {
    require(::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof(int)) == 0,
            "setsockopt SO_RCVBUF");
  }
  require(::setsockopt(socket_.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0,
          "setsockopt SO_TIMESTAMPNS");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  require(address.sll_ifindex != 0, "if_nametoindex");
  require(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
          "bind AF_PACKET");
}

void Capture::take() {
  while (true) {
    sockaddr_ll from{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
    iovec part{buffer_.data(), buffer_.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t length = ::recvmsg(socket_.get(), &message, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) break;
    if (length < 0 && errno == ENETDOWN) continue;  // said once; what passed before is still there
    require(length >= 0, "recvmsg AF_PACKET");
    Packet packet;
    packet.is_outgoing = from.sll_pkttype == PACKET_OUTGOING;
    if (packet.is_outgoing && is_loopback_) continue;
    packet.at_ns = stamp_of(message);
    packet.ethernet.assign(buffer_.data(), static_cast<size_t>(length));
    packets_.push_back(std::move(packet));
  }
  check_drops();
}

void Capture::check_drops() {
  tpacket_stats stats{};
  socklen_t size = sizeof stats;
  require(::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0,
          "getsockopt PACKET_STATISTICS");
  if (stats.tp_drops > 0) {
    throw std::runtime_error(
        fmt::format("the capture lost {} packets: look at it more often", stats.tp_drops));
  }
}

const std::vector<Packet>& Capture::packets() {
  take();
  return packets_;
}

std::vector<Segment> Capture::segments() {
  std::vector<Segment> segments;
  for (const Packet& packet : packets()) {
    if (auto segment = segment_of(packet, begin_ns_)) segments.push_back(std::move(*segment));
  }
  return segments;
}

std::vector<Segment> Capture::segments_from(uint16_t port) {
  std::vector<Segment> segments = this->segments();
  std::erase_if(segments, [&](const Segment& segment) { return segment.from.port != port; });
  return segments;
}

void Capture::save(const std::string& path) {
  constexpr uint32_t kMagicOfNanoseconds = 0xA1B23C4D;
  constexpr uint32_t kLinkTypeEthernet = 1;
  std::string file;
  append(file, kMagicOfNanoseconds);
  append<uint16_t>(file, 2);  // version 2.4
  append<uint16_t>(file, 4);
  append<uint64_t>(file, 0);  // reserved
  append<uint32_t>(file, kFrameBytesMax);
  append(file, kLinkTypeEthernet);
  for (const Packet& packet : packets()) {
    const auto length = static_cast<uint32_t>(packet.ethernet.size());
    append(file, static_cast<uint32_t>(packet.at_ns / kNsPerSecond));
    append(file, static_cast<uint32_t>(packet.at_ns % kNsPerSecond));
    append(file, length);
    append(file, length);
    file += packet.ethernet;
  }
  std::ofstream out(path, std::ios::binary);
  out << file;
  out.flush();
  require(out.good(), path.c_str());
}

}  // namespace net
