// What the system says of this very process, and of sockets that the test has made.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <vector>

#include "server/admin/system_facts.h"
#include "tests/unit/private_network_test.h"

namespace {

using ringserve::admin::Snapshot;
using ringserve::admin::SystemFacts;

Snapshot facts_of(const std::vector<net::Address>& listening = {}) {
  SystemFacts facts(listening);
  Snapshot snapshot;
  facts.fill(snapshot);
  return snapshot;
}

std::vector<net::OwnedFd> opened(size_t count) {
  std::vector<net::OwnedFd> files;
  while (files.size() < count) files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(files.back().valid());
  return files;
}

TEST(SystemFactsTest, memory_is_that_of_the_process) {
  const Snapshot before = facts_of();
  EXPECT_GT(before.rss_bytes, 1'000'000U);
  constexpr size_t kBytes = 64'000'000;
  const std::vector<char> memory(kBytes, 'x');
  EXPECT_GT(facts_of().rss_bytes, before.rss_bytes + kBytes / 2) << memory.front();
}

TEST(SystemFactsTest, descriptors_are_counted) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const Snapshot before = facts_of();
  EXPECT_EQ(before.descriptors_max, limit.rlim_cur);
  EXPECT_GE(before.descriptors_open, 3U);
  const auto files = opened(17);
  EXPECT_EQ(facts_of().descriptors_open, before.descriptors_open + 17);
}

TEST(SystemFactsTest, descriptors_are_counted_name_by_name_where_the_kernel_does_not) {
  const net::OwnedFd directory(::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto before = ringserve::admin::count_descriptors(directory.get());
  ASSERT_TRUE(before) << before.error().message();
  EXPECT_GE(*before, 4U);
  const auto files = opened(17);
  EXPECT_EQ(ringserve::admin::count_descriptors(directory.get()).value(), *before + 17);
  EXPECT_FALSE(ringserve::admin::count_descriptors(files.front().get()));
}

TEST(SystemFactsTest, cpu_time_grows_with_work) {
  const Snapshot before = facts_of();
  Snapshot after = before;
  while (after.cpu_user_s + after.cpu_system_s <= before.cpu_user_s + before.cpu_system_s) {
    after = facts_of();
  }
  EXPECT_GE(after.cpu_user_s, before.cpu_user_s);
  EXPECT_GE(after.cpu_system_s, before.cpu_system_s);
}

TEST(SystemFactsTest, without_a_port_nothing_is_said_of_time_wait) {
  EXPECT_EQ(facts_of().time_wait_ours, -1);
  EXPECT_EQ(facts_of({net::Address::parse("unix:/nowhere").value()}).time_wait_ours, -1);
  EXPECT_GE(facts_of().listen_overflows, 0);
  EXPECT_GE(facts_of().listen_drops, facts_of().listen_overflows);
}

class TimeWaitTest : public PrivateNetworkTest {
 protected:
  static void leave_in_time_wait(const net::Address& at, size_t count, bool by_server = true) {
    const net::OwnedFd listener = listen_on(at);
    for (size_t i = 0; i < count; ++i) {
      const auto close = by_server ? close_server_first : close_client_first;
      close(open(listener, at));
    }
  }
};

TEST_F(TimeWaitTest, is_counted_at_our_ports_and_where_we_closed_first) {
  leave_in_time_wait(address("127.0.0.1:8080"), 3);
  leave_in_time_wait(address("127.0.0.1:8080"), 4, false);
  leave_in_time_wait(address("127.0.0.1:9090"), 5);
  leave_in_time_wait(address("[::1]:8080"), 6);
  const auto count_at = [](const std::vector<net::Address>& listening) {
    return facts_of(listening).time_wait_ours;
  };
  EXPECT_EQ(count_at({address("127.0.0.1:8080")}), 3);
  EXPECT_EQ(count_at({address("[::1]:8080")}), 6);
  EXPECT_EQ(count_at({address("127.0.0.1:8080"), address("[::1]:8080")}), 9);
  EXPECT_EQ(count_at({address("127.0.0.1:8080"), address("127.0.0.1:9090")}), 8);
  EXPECT_EQ(count_at({address("127.0.0.1:7070")}), 0);
  EXPECT_EQ(count_at({address("127.0.0.2:8080")}), 0);
}

TEST_F(TimeWaitTest, is_counted_at_a_listener_on_all_addresses) {
  leave_in_time_wait(address("127.0.0.1:8080"), 3);
  leave_in_time_wait(address("127.0.0.1:9090"), 5);
  leave_in_time_wait(address("[::1]:8080"), 6);
  EXPECT_EQ(facts_of({address("0.0.0.0:8080")}).time_wait_ours, 3);
  EXPECT_EQ(facts_of({address("[::]:8080")}).time_wait_ours, 6);
  EXPECT_EQ(facts_of({address("0.0.0.0:8080"), address("127.0.0.1:9090")}).time_wait_ours, 8);
}

}  // namespace
