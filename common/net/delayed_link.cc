// One thread, ppoll(2) on both devices with the time of the next packet that is due. A packet is
// put into its place in time when it arrives: it leaves the queue when those before it have, at
// the rate, and is delivered a delay later, so that each direction is a list in order of time.
#include "common/net/delayed_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <vector>

#include "common/check.h"
#include "common/net/address.h"
#include "common/net/networks.h"

namespace net {
namespace {

constexpr int64_t kNsPerS = 1'000'000'000;
constexpr size_t kPacketBytesMax = 65536;
constexpr int kMtuBytes = 1500;
// In the device, before this thread has seen them: enough for bursts of many connections.
constexpr uint32_t kDevicePackets = 10'000;
constexpr int kPacketsPerTurn = 64;  // of one direction, then the other has its turn
// Under way, each direction: beyond, packets are dropped. A memory limit, not a model of anything.
constexpr size_t kUnderWayPacketsMax = 200'000;

int64_t now_ns() {
  timespec time{};
  CHECK(::clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  return time.tv_sec * kNsPerS + time.tv_nsec;
}

Status configure(unsigned long request_code, const char* what, ifreq& request) {
  const OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return fail("socket AF_INET", errno);
  std::strncpy(request.ifr_name, DelayedLink::kDevice, sizeof request.ifr_name - 1);
  if (::ioctl(socket.get(), request_code, &request) < 0) {
    return fail(fmt::format("{} {}", what, DelayedLink::kDevice), errno);
  }
  return {};
}

Status set_address(unsigned long request_code, const char* what, const char* host) {
  const auto address = Address::parse_host(host);
  if (!address) return tl::unexpected(address.error());
  ifreq request{};
  std::memcpy(&request.ifr_addr, address->data(), sizeof request.ifr_addr);
  return configure(request_code, what, request);
}

Status set_up_device(const char* own_host, const char* other_host) {
  ifreq mtu{};
  mtu.ifr_mtu = kMtuBytes;
  if (auto status = configure(SIOCSIFMTU, "set the MTU of", mtu); !status) return status;
  if (auto status = set_address(SIOCSIFADDR, "give an address to", own_host); !status) {
    return status;
  }
  if (auto status = set_address(SIOCSIFDSTADDR, "give the other end's address to", other_host);
      !status) {
    return status;
  }
  ifreq flags{};
  flags.ifr_flags = IFF_UP | IFF_RUNNING;
  return configure(SIOCSIFFLAGS, "bring up", flags);
}

std::string tun_advice(int errno_value) {
  if (errno_value == ENOENT || errno_value == ENODEV || errno_value == ENXIO) {
    return "load the module (modprobe tun), or give the container the device (--device "
           "/dev/net/tun)";
  }
  if (errno_value == EACCES || errno_value == EPERM) {
    return "let this user read and write /dev/net/tun (chmod 666, as distributions have it), or "
           "run as root";
  }
  return {};
}

Result<OwnedFd> make_device(const OwnedFd& network, const char* own_host, const char* other_host) {
  auto scope = NetworkScope::enter(network);
  if (!scope) return tl::unexpected(scope.error());
  OwnedFd device(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!device.valid()) return fail("open /dev/net/tun", errno, tun_advice(errno));
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, DelayedLink::kDevice, sizeof request.ifr_name - 1);
  if (::ioctl(device.get(), TUNSETIFF, &request) < 0) {
    return fail(fmt::format("TUNSETIFF {}", DelayedLink::kDevice), errno, tun_advice(errno));
  }
  if (auto status = set_queue_length(network, DelayedLink::kDevice, kDevicePackets); !status) {
    return tl::unexpected(status.error());
  }
  if (auto status = set_up_device(own_host, other_host); !status) {
    return tl::unexpected(status.error());
  }
  return device;
}

}  // namespace

LinkCounts DelayedLink::Counters::read() const {
  return {arrived.load(), forwarded.load(), lost.load(), dropped.load(), refused.load()};
}

// From one device to the other. Belongs to the relay's thread.
class DelayedLink::Direction {
 public:
  Direction(const OwnedFd& from, const OwnedFd& to, const LinkOptions& options, uint64_t seed,
            Counters& counters)
      : from_(from), to_(to), options_(options), random_(seed), counters_(counters) {}

  // Takes what has arrived, some at a time. True: there may be more.
  bool take() {
    for (int i = 0; i < kPacketsPerTurn; ++i) {
      const ssize_t length = ::read(from_.get(), buffer_.data(), buffer_.size());
      if (length < 0 && errno == EINTR) continue;
      // EAGAIN: no more for now. EIO: the device is down or its network gone; nothing comes then.
      if (length <= 0) return false;
      const bool is_ipv4 = (static_cast<unsigned char>(buffer_[0]) >> 4) == 4;
      if (is_ipv4) admit(static_cast<size_t>(length), now_ns());
    }
    return true;
  }

  void deliver(int64_t now) {
    while (!under_way_.empty() && under_way_.front().due_ns <= now) {
      const std::vector<char>& packet = under_way_.front().bytes;
      const ssize_t written = ::write(to_.get(), packet.data(), packet.size());
      ++(written == static_cast<ssize_t>(packet.size()) ? counters_.forwarded : counters_.refused);
      under_way_.pop_front();
    }
  }

  std::optional<int64_t> next_due_ns() const {
    if (under_way_.empty()) return std::nullopt;
    return under_way_.front().due_ns;
  }

 private:
  struct Packet {
    int64_t sent_ns;  // it has left the queue by then
    int64_t due_ns;
    std::vector<char> bytes;
  };

  void admit(size_t bytes, int64_t now) {
    ++counters_.arrived;
    // One draw a packet, whatever becomes of it: the losses depend on the order alone.
    const double draw = static_cast<double>(random_() >> 11) * 0x1p-53;
    if (draw < options_.loss) {
      ++counters_.lost;
      return;
    }
    // Those that still wait for the rate are at the end of the list.
    const auto waits = [now](const Packet& packet) { return packet.sent_ns > now; };
    const auto first =
        std::partition_point(under_way_.begin(), under_way_.end(), std::not_fn(waits));
    if (under_way_.end() - first >= static_cast<ptrdiff_t>(options_.queue_packets) ||
        under_way_.size() >= kUnderWayPacketsMax) {
      ++counters_.dropped;
      return;
    }
    if (options_.rate_bits_per_s > 0) {
      const double takes_s = static_cast<double>(bytes) * 8 / options_.rate_bits_per_s;
      free_at_ns_ = std::max(free_at_ns_, now) + static_cast<int64_t>(takes_s * kNsPerS);
    } else {
      free_at_ns_ = now;
    }
    under_way_.push_back({free_at_ns_, free_at_ns_ + options_.delay_us * 1000,
                          std::vector<char>(buffer_.data(), buffer_.data() + bytes)});
  }

  const OwnedFd& from_;
  const OwnedFd& to_;
  const LinkOptions& options_;
  std::mt19937_64 random_;
  Counters& counters_;
  int64_t free_at_ns_ = 0;
  std::deque<Packet> under_way_;
  std::array<char, kPacketBytesMax> buffer_{};
};

void DelayedLink::relay(const LinkOptions& options) {
  // Timers that are exact to some microseconds instead of 50 (PR_SET_TIMERSLACK in prctl(2)).
  CHECK(::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) == 0);
  // Twice 64 KiB: not for the stack of a thread.
  const auto there = std::make_unique<Direction>(near_, far_, options, options.seed, toward_far_);
  const auto back = std::make_unique<Direction>(far_, near_, options, ~options.seed, toward_near_);
  std::array<pollfd, 3> fds{
      {{near_.get(), POLLIN, 0}, {far_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  bool has_more = false;
  while ((fds[2].revents & POLLIN) == 0) {
    const bool more_there = there->take();
    const bool more_back = back->take();
    has_more = more_there || more_back;
    const int64_t now = now_ns();
    there->deliver(now);
    back->deliver(now);

    std::optional<int64_t> due_ns = there->next_due_ns();
    if (const auto other = back->next_due_ns(); other && (!due_ns || *other < *due_ns)) {
      due_ns = other;
    }
    const int64_t wait_ns = has_more ? 0 : std::max<int64_t>(due_ns.value_or(0) - now_ns(), 0);
    const timespec wait{wait_ns / kNsPerS, wait_ns % kNsPerS};
    const int ready =
        ::ppoll(fds.data(), fds.size(), has_more || due_ns ? &wait : nullptr, nullptr);
    CHECK(ready >= 0 || errno == EINTR);
    for (pollfd& fd : fds) {
      if (ready > 0 && (fd.revents & POLLERR) != 0) fd.fd = -1;  // the device is gone for good
    }
    if (ready < 0) fds[2].revents = 0;
  }
}

Result<std::unique_ptr<DelayedLink>> DelayedLink::make(const OwnedFd& near, const OwnedFd& far,
                                                       const LinkOptions& options) {
  if (!(options.loss >= 0 && options.loss <= 1) || options.delay_us < 0 ||
      !(options.rate_bits_per_s >= 0) || options.queue_packets == 0) {
    return fail(
        fmt::format("a link with delay {} us, rate {} bit/s, loss {}, queue {} packets",
                    options.delay_us, options.rate_bits_per_s, options.loss, options.queue_packets),
        EINVAL, "the loss is a probability, the queue holds a packet at least");
  }
  auto near_device = make_device(near, kNearHost, kFarHost);
  if (!near_device) return tl::unexpected(near_device.error());
  auto far_device = make_device(far, kFarHost, kNearHost);
  if (!far_device) return tl::unexpected(far_device.error());
  OwnedFd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.valid()) return fail("eventfd", errno);
  std::unique_ptr<DelayedLink> link(
      new DelayedLink(std::move(*near_device), std::move(*far_device), std::move(stop)));
  link->thread_ = std::thread([raw = link.get(), options] { raw->relay(options); });
  return link;
}

DelayedLink::~DelayedLink() {
  const uint64_t one = 1;
  CHECK(::write(stop_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
}

}  // namespace net
