// What took a body's bytes to the socket; for counting and for the access log.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringserve::send {

enum class Mover : uint8_t {
  memory,  // held in memory, or read there together with its head
  read_write,
  writev,
  sendfile,
  splice,
  uring_send,
  uring_splice,
  send_zc
};
constexpr std::array<std::string_view, 8> kMoverNames = {"memory",       "read-write", "writev",
                                                         "sendfile",     "splice",     "uring-send",
                                                         "uring-splice", "send-zc"};

constexpr std::string_view name_of(Mover mover) { return kMoverNames[static_cast<size_t>(mover)]; }

// Whether the bytes pass through user memory and are copied from there.
constexpr bool copies(Mover mover) {
  return mover == Mover::memory || mover == Mover::read_write || mover == Mover::writev ||
         mover == Mover::uring_send;
}

}  // namespace ringserve::send
