// What slots do when no port is free: wait in line, and try one at a time.
#include "client/load/engine/port_gate.h"

#include <gtest/gtest.h>

namespace ringload {
namespace {

constexpr int64_t kNow = 1'000'000'000;

TEST(PortGate, is_open_until_a_port_is_missing) {
  PortGate gate(1);
  EXPECT_FALSE(gate.closed());
  EXPECT_TRUE(gate.failed(kNow));
  EXPECT_TRUE(gate.closed());
}

TEST(PortGate, lets_one_try_after_a_while) {
  PortGate gate(1);
  gate.failed(kNow);
  gate.wait(3);
  gate.wait(4);
  EXPECT_EQ(gate.next(kNow), std::nullopt);
  EXPECT_EQ(gate.due_ns(), kNow + PortGate::kRetryNs);
  EXPECT_EQ(gate.next(kNow + PortGate::kRetryNs), 3U);
  EXPECT_EQ(gate.next(kNow + PortGate::kRetryNs), std::nullopt) << "one at a time";
  EXPECT_EQ(gate.due_ns(), std::nullopt);
}

TEST(PortGate, lets_the_others_follow_while_ports_are_found) {
  PortGate gate(1);
  gate.failed(kNow);
  gate.wait(3);
  gate.wait(4);
  const int64_t later = kNow + PortGate::kRetryNs;
  ASSERT_EQ(gate.next(later), 3U);
  gate.found_port(later);
  EXPECT_EQ(gate.next(later), 4U);
  EXPECT_TRUE(gate.closed()) << "slot 4 has not found a port yet";
  gate.found_port(later);
  EXPECT_FALSE(gate.closed());
}

TEST(PortGate, tells_who_tries) {
  PortGate gate(1);
  gate.failed(kNow);
  gate.wait(3);
  EXPECT_EQ(gate.probing(), std::nullopt);
  gate.next(kNow + PortGate::kRetryNs);
  EXPECT_EQ(gate.probing(), 3U);
  gate.found_port(kNow + PortGate::kRetryNs);
  EXPECT_EQ(gate.probing(), std::nullopt);
}

TEST(PortGate, closes_again_for_who_finds_none) {
  PortGate gate(1);
  gate.failed(kNow);
  gate.wait(3);
  const int64_t later = kNow + PortGate::kRetryNs;
  ASSERT_EQ(gate.next(later), 3U);
  EXPECT_TRUE(gate.failed(later));
  gate.wait(3);
  EXPECT_EQ(gate.next(later), std::nullopt);
  EXPECT_EQ(gate.next(later + PortGate::kRetryNs), 3U);
}

TEST(PortGate, ports_are_exhausted_when_no_source_has_one) {
  PortGate gate(3);
  EXPECT_FALSE(gate.failed(kNow));
  gate.wait_first(9);
  EXPECT_EQ(gate.next(kNow), 9U) << "the next source is tried at once";
  EXPECT_FALSE(gate.failed(kNow));
  gate.wait_first(9);
  ASSERT_EQ(gate.next(kNow), 9U);
  EXPECT_TRUE(gate.failed(kNow));
}

TEST(PortGate, a_source_with_a_port_starts_the_count_anew) {
  PortGate gate(2);
  EXPECT_FALSE(gate.failed(kNow));
  gate.found_port(kNow);
  EXPECT_FALSE(gate.failed(kNow));
  EXPECT_TRUE(gate.failed(kNow));
}

}  // namespace
}  // namespace ringload
