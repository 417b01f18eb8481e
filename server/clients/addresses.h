// The addresses that have connections, or had some so recently that their bucket of requests is not
// full again. One table for all workers, cut into shards with a mutex each, which is taken when a
// connection opens and closes, never for a request: a connection holds its entry, and what a
// request needs of it is one atomic.
//
// Its size is bounded: an address without connections is forgotten when its bucket is full, and of
// those that wait for that at most kRestingMax are kept. Beyond, the one that left first is
// forgotten early and would begin with a full bucket: nobody who keeps to the limits is refused
// because others fill the table.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>

#include "server/clients/prefix.h"
#include "server/clients/request_rate.h"

namespace ringserve::clients {

// CLOCK_MONOTONIC.
int64_t monotonic_ns();

class Addresses {
  struct Shard;
  struct Entry;

 public:
  static constexpr size_t kRestingMax = 65536;  // about 10 MiB
  static constexpr size_t kShards = 64;

  Addresses();
  ~Addresses();  // nobody is left
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;

  // One connection of an address, from enter() to leave() or destruction. Any thread, one at a
  // time.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    Hold& operator=(Hold&& other) noexcept;
    ~Hold();

    explicit operator bool() const { return entry_ != nullptr; }
    const void* id() const { return entry_; }  // the same for all connections of the address
    // One more request of this address.
    bool admits(const RequestRate& rate, int64_t now_ns);
    void leave(int64_t now_ns);

   private:
    friend class Addresses;
    explicit Hold(Entry* entry) : entry_(entry) {}
    Entry* entry_ = nullptr;
  };

  // Empty if the address has `connections_max` already; 0 is no limit.
  Hold enter(const Prefix& prefix, uint64_t connections_max, int64_t now_ns);

  // How many are in the table, after those have gone that have rested.
  size_t count(int64_t now_ns);

 private:
  uint64_t hash(const Prefix& prefix) const;

  const uint64_t seed_;  // nobody can choose addresses that share a shard or a bucket
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace ringserve::clients
