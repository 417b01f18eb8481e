// Every operation that a worker asks its ring for. A sandboxed ring refuses others with EACCES, so
// who adds one to the server adds it here.
#pragma once

#include <liburing.h>

#include <array>
#include <cstdint>

namespace ringserve {

constexpr std::array<uint8_t, 12> kRingOperations = {
    IORING_OP_ACCEPT,  IORING_OP_RECV,    IORING_OP_POLL_ADD,   IORING_OP_ASYNC_CANCEL,
    IORING_OP_OPENAT2, IORING_OP_READ,    IORING_OP_READ_FIXED, IORING_OP_SPLICE,
    IORING_OP_SEND,    IORING_OP_SENDMSG, IORING_OP_SEND_ZC,    IORING_OP_CLOSE};

}  // namespace ringserve
