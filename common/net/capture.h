// The packets that pass an interface of this network namespace, by AF_PACKET (packet(7)): TCP
// segments as facts, and all of it as a file that tcpdump(8) and Wireshark read. Needs CAP_NET_RAW,
// which root of a private network has. For experiments: on failure it throws, as net/verbs.h does.
//
// What is captured is what the stack hands to the device: one "packet" of up to 64 KiB where the
// device would cut it into segments (GSO), and the same where segments were joined (GRO).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/net/owned_fd.h"
#include "common/net/sock_diag.h"

namespace net {

struct Packet {
  int64_t at_ns = 0;      // CLOCK_REALTIME, when the kernel saw it
  std::string ethernet;   // the frame, whole
  bool is_outgoing = false;
};

// A TCP segment of IPv4 or IPv6 (RFC 9293 section 3.1).
struct Segment {
  double seconds = 0;  // since the capture began
  Endpoint from;
  Endpoint to;
  bool syn = false, ack = false, fin = false, rst = false, psh = false, urg = false;
  uint32_t seq = 0;
  uint32_t ack_number = 0;
  uint16_t window = 0;  // as sent: not yet scaled
  std::string data;
  // Options; the first three are found in SYNs only.
  std::optional<uint16_t> mss{};
  std::optional<uint8_t> window_scale{};
  bool sack_permitted = false;
  bool has_timestamps = false;

  std::string flags() const;  // "SYN,ACK"
  // "40000 > 80 SYN seq 0": ports, flags, numbers as they are, length of the data.
  std::string text() const;
};

// The TCP segment of a packet, if it is a whole one; `begin_ns` is what its seconds count from.
std::optional<Segment> segment_of(const Packet& packet, int64_t begin_ns = 0);

// Sends a captured packet once more, out of an interface of this namespace: late, twice, or in
// another order than it came. Over lo it would be taken for a martian: what this host sends to
// itself arrives there with its route attached, and this comes without.
void replay(const Packet& packet, const std::string& interface);

class Capture {
 public:
  // Begins now. On "lo" each packet is kept once, as it arrives.
  explicit Capture(const std::string& interface = "lo");

  // All that passed until now, oldest first. A segment that was just sent may still be on its way:
  // await() in net/verbs.h looks again. Throws if the kernel had to drop some.
  const std::vector<Packet>& packets();
  std::vector<Segment> segments();
  // Those with the port at that end.
  std::vector<Segment> segments_from(uint16_t port);

  // Writes them as a pcap file (draft-ietf-opsawg-pcap: nanoseconds, LINKTYPE_ETHERNET).
  void save(const std::string& path);

 private:
  void take();
  void check_drops();

  bool is_loopback_;
  int64_t begin_ns_;
  OwnedFd socket_;
  std::string buffer_;
  std::vector<Packet> packets_;
};

}  // namespace net
