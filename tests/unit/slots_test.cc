// Slots and generations: a late completion must not find whoever lives in the slot now.
#include "server/slots.h"

#include <gtest/gtest.h>

#include <set>

#include "server/operation.h"

namespace ringserve {
namespace {

struct Tenant {
  Tenant(SlotId id_given, int* counter) : id(id_given), alive(counter) { ++*alive; }
  ~Tenant() { --*alive; }
  SlotId id;
  int* alive;
};

TEST(SlotTable, finds_only_the_present_generation) {
  int alive = 0;
  SlotTable<Tenant> slots;
  const SlotId first = slots.create(&alive).id;
  EXPECT_NE(slots.find(first), nullptr);
  slots.destroy(first);
  EXPECT_EQ(slots.find(first), nullptr);
  const SlotId second = slots.create(&alive).id;
  EXPECT_EQ(second.slot, first.slot) << "the warm slot is used again";
  EXPECT_EQ(slots.find(first), nullptr) << "the earlier tenant is gone for good";
  EXPECT_NE(slots.find(second), nullptr);
  EXPECT_EQ(alive, 1);
}

TEST(SlotTable, keeps_addresses_while_it_grows) {
  int alive = 0;
  SlotTable<Tenant> slots;
  Tenant* first = &slots.create(&alive);
  std::set<uint32_t> seen;
  for (int i = 0; i < 5000; ++i) seen.insert(slots.create(&alive).id.slot);
  EXPECT_EQ(seen.size(), 5000u);
  EXPECT_EQ(slots.find(first->id), first);
  EXPECT_EQ(slots.size(), 5001u);
}

TEST(SlotTable, never_hands_out_generation_zero) {
  int alive = 0;
  SlotTable<Tenant> slots;
  uint32_t last = 0;
  for (uint32_t i = 0; i <= kGenerationMask + 2; ++i) {
    const SlotId id = slots.create(&alive).id;
    ASSERT_NE(id.generation, 0u);
    ASSERT_NE(id.generation, last);
    last = id.generation;
    slots.destroy(id);
  }
  EXPECT_EQ(alive, 0);
}

TEST(SlotTable, lets_a_visitor_destroy_what_it_visits) {
  int alive = 0;
  {
    SlotTable<Tenant> slots;
    for (int i = 0; i < 10; ++i) slots.create(&alive);
    slots.for_each([&](Tenant& tenant) {
      if (tenant.id.slot % 2 == 0) slots.destroy(tenant.id);
    });
    EXPECT_EQ(alive, 5);
  }
  EXPECT_EQ(alive, 0) << "the table destroys the rest";
}

TEST(UserData, carries_operation_slot_and_generation) {
  const SlotId id{0xFFFFFFFE, kGenerationMask};
  const uint64_t packed = pack(Operation::writable, id);
  EXPECT_EQ(operation_of(packed), Operation::writable);
  EXPECT_EQ(slot_of(packed), id);
  send::Transfer transfer;
  transfer.owner = owner_bits(id);
  const uint64_t path = send::PathContext::user_data(3, transfer);
  EXPECT_EQ(static_cast<unsigned>(operation_of(path)), send::PathContext::kFirstTag + 3);
  EXPECT_EQ(slot_of(path), id);
}

}  // namespace
}  // namespace ringserve
