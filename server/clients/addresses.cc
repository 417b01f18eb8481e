// An entry lives in one of two lists of its shard, in which it never moves in memory: with
// connections, or resting, in the order in which they left.
#include "server/clients/addresses.h"

#include <ctime>
#include <mutex>
#include <random>
#include <unordered_map>

#include "common/check.h"

namespace ringserve::clients {
namespace {

// So many of the resting may be forgotten with each opening and closing: more than can come.
constexpr size_t kForgottenAtOnceMax = 4;
constexpr size_t kRestingPerShardMax = Addresses::kRestingMax / Addresses::kShards;

// The finalizer of MurmurHash3: every bit of `value` reaches every bit of the result.
uint64_t mixed(uint64_t value) {
  value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD;
  value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53;
  return value ^ value >> 33;
}

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

int64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

struct Addresses::Entry {
  Entry(Shard& its_shard, uint64_t its_key, const Prefix& its_prefix)
      : shard(its_shard), key(its_key), prefix(its_prefix) {}

  Shard& shard;
  const uint64_t key;
  const Prefix prefix;
  uint64_t connections = 0;  // under the shard's mutex
  std::atomic<int64_t> full_at_ns = 0;

  bool has_rested(int64_t now_ns) const {
    return full_at_ns.load(std::memory_order_relaxed) <= now_ns;
  }
};

struct Addresses::Shard {
  using Entries = std::list<Entry>;

  std::mutex mutex;
  Entries present, resting;
  std::unordered_multimap<uint64_t, Entries::iterator> by_key;  // keys are hashes

  auto find(uint64_t key, const Prefix& prefix) {
    auto [at, end] = by_key.equal_range(key);
    for (; at != end; ++at) {
      if (at->second->prefix == prefix) return at;
    }
    return by_key.end();
  }
  void forget(Entries& list, Entries::iterator entry) {
    by_key.erase(find(entry->key, entry->prefix));
    list.erase(entry);
  }
  void forget_rested(int64_t now_ns, size_t count_max) {
    for (; count_max > 0 && !resting.empty(); --count_max) {
      if (!resting.front().has_rested(now_ns)) return;
      forget(resting, resting.begin());
    }
  }
};

Addresses::Addresses() : seed_(random_seed()), shards_(new Shard[kShards]) {}

Addresses::~Addresses() {
  for (size_t i = 0; i < kShards; ++i) CHECK(shards_[i].present.empty());
}

uint64_t Addresses::hash(const Prefix& prefix) const {
  return mixed(mixed(prefix.bits ^ seed_) + static_cast<uint64_t>(prefix.kind));
}

Addresses::Hold Addresses::enter(const Prefix& prefix, uint64_t connections_max, int64_t now_ns) {
  const uint64_t key = hash(prefix);
  Shard& shard = shards_[key % kShards];
  const std::lock_guard lock(shard.mutex);
  shard.forget_rested(now_ns, kForgottenAtOnceMax);
  const auto known = shard.find(key, prefix);
  if (known == shard.by_key.end()) {
    Entry& entry = shard.present.emplace_back(shard, key, prefix);
    shard.by_key.emplace(key, std::prev(shard.present.end()));
    entry.connections = 1;
    return Hold(&entry);
  }
  Entry& entry = *known->second;
  if (connections_max > 0 && entry.connections >= connections_max) return {};
  if (entry.connections++ == 0) {
    shard.present.splice(shard.present.end(), shard.resting, known->second);
  }
  return Hold(&entry);
}

size_t Addresses::count(int64_t now_ns) {
  size_t all = 0;
  for (size_t i = 0; i < kShards; ++i) {
    const std::lock_guard lock(shards_[i].mutex);
    shards_[i].forget_rested(now_ns, kRestingPerShardMax);
    all += shards_[i].by_key.size();
  }
  return all;
}

Addresses::Hold& Addresses::Hold::operator=(Hold&& other) noexcept {
  if (this != &other) {
    leave(monotonic_ns());
    entry_ = std::exchange(other.entry_, nullptr);
  }
  return *this;
}

Addresses::Hold::~Hold() {
  if (entry_ != nullptr) leave(monotonic_ns());
}

bool Addresses::Hold::admits(const RequestRate& rate, int64_t now_ns) {
  return take_token(rate, now_ns, entry_->full_at_ns);
}

void Addresses::Hold::leave(int64_t now_ns) {
  if (entry_ == nullptr) return;
  Entry& entry = *std::exchange(entry_, nullptr);
  Shard& shard = entry.shard;
  const std::lock_guard lock(shard.mutex);
  shard.forget_rested(now_ns, kForgottenAtOnceMax);
  CHECK(entry.connections > 0);
  if (--entry.connections > 0) return;
  const auto known = shard.find(entry.key, entry.prefix);
  CHECK(known != shard.by_key.end());
  const auto at = known->second;
  if (entry.has_rested(now_ns)) return shard.forget(shard.present, at);
  shard.resting.splice(shard.resting.end(), shard.present, at);
  if (shard.resting.size() > kRestingPerShardMax) {
    shard.forget(shard.resting, shard.resting.begin());
  }
}

}  // namespace ringserve::clients
