// A slow link between two network namespaces, without netem and without root: a TUN device in
// each (Documentation/networking/tuntap.rst) and a thread that carries the packets, each after the
// delay, at no more than the rate, but for those that it loses. What is lost follows from the
// seed and the order of the packets alone. It carries IPv4.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "common/net/owned_fd.h"
#include "common/net/result.h"

namespace net {

struct LinkOptions {
  int64_t delay_us = 0;           // one way
  double rate_bits_per_s = 0;     // each way; 0: as fast as this thread can
  double loss = 0;                // the probability with which a packet vanishes, 0 to 1
  unsigned queue_packets = 1000;  // that may wait for the rate, each way; then the tail is dropped
  uint64_t seed = 1;              // of the losses
};

// Of one direction. arrived = forwarded + lost + dropped + refused, and what is still on its way.
struct LinkCounts {
  uint64_t arrived = 0;
  uint64_t forwarded = 0;
  uint64_t lost = 0;     // by the probability
  uint64_t dropped = 0;  // the queue was full
  uint64_t refused = 0;  // by the device of the other end
};

class DelayedLink {
 public:
  static constexpr const char* kNearHost = "10.0.0.1";
  static constexpr const char* kFarHost = "10.0.0.2";
  static constexpr const char* kDevice = "link";  // its name in both networks

  // Both networks are to have no such device and no such address yet. The thread inherits the
  // caller's CPUs.
  // Errors: ENOENT or EACCES of /dev/net/tun, which containers often do not have.
  static Result<std::unique_ptr<DelayedLink>> make(const OwnedFd& near, const OwnedFd& far,
                                                   const LinkOptions& options);
  ~DelayedLink();  // packets under way vanish
  DelayedLink(const DelayedLink&) = delete;
  DelayedLink& operator=(const DelayedLink&) = delete;

  // Any thread; exact once nothing is under way.
  LinkCounts toward_far() const { return toward_far_.read(); }
  LinkCounts toward_near() const { return toward_near_.read(); }

 private:
  struct Counters {
    std::atomic<uint64_t> arrived{0};
    std::atomic<uint64_t> forwarded{0};
    std::atomic<uint64_t> lost{0};
    std::atomic<uint64_t> dropped{0};
    std::atomic<uint64_t> refused{0};
    LinkCounts read() const;
  };
  class Direction;

  DelayedLink(OwnedFd near, OwnedFd far, OwnedFd stop)
      : near_(std::move(near)), far_(std::move(far)), stop_(std::move(stop)) {}
  void relay(const LinkOptions& options);

  OwnedFd near_;  // the TUN devices
  OwnedFd far_;
  OwnedFd stop_;  // an eventfd
  Counters toward_far_;
  Counters toward_near_;
  std::thread thread_;
};

}  // namespace net
