// What a completion is about, packed into the 64 bits of user_data:
// operation (8) | generation (24) | slot (32).
#pragma once

#include <cstdint>

#include "server/send/path.h"
#include "server/slots.h"

namespace ringserve {

enum class Operation : uint8_t {
  ignored,  // the outcome matters to nobody: a cancellation
  accept,   // slot: index of the listener
  receive,
  writable,
  open_file,
  wake,                                          // the server asks for something
  watch,                                         // inotify has events
  first_of_path = send::PathContext::kFirstTag,  // and above: the send path's own
};

inline uint64_t owner_bits(SlotId id) { return (uint64_t{id.generation} << 32) | id.slot; }

inline SlotId slot_of(uint64_t user_data) {
  return {static_cast<uint32_t>(user_data),
          static_cast<uint32_t>(user_data >> 32) & kGenerationMask};
}

inline uint64_t pack(Operation operation, SlotId id = {}) {
  return (uint64_t{static_cast<uint8_t>(operation)} << 56) | owner_bits(id);
}

inline Operation operation_of(uint64_t user_data) {
  return static_cast<Operation>(user_data >> 56);
}

}  // namespace ringserve
