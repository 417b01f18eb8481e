// How the rows of several workers become the rows of the run, whatever the order they arrive in.
#include "client/load/collector.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace ringload {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

Plan of_two_workers() {
  Plan plan;
  plan.threads = 2;
  return plan;
}

class CollectorTest : public ::testing::Test {
 protected:
  CollectorTest() {
    control_.begin_ns = control_.measured_from_ns = kSecondNs;
    for (unsigned i = 0; i < plan_.threads; ++i) mailboxes_.push_back(std::make_unique<Mailbox>());
  }

  void hand_over(size_t worker, double until_s, uint64_t requests, bool last_row = false) {
    auto interval = mailboxes_[worker]->take_empty();
    interval->until_ns = control_.begin_ns + static_cast<int64_t>(until_s * kSecondNs);
    interval->requests = requests;
    interval->last_row = last_row;
    mailboxes_[worker]->hand_over(std::move(interval));
  }

  void collect() {
    collector_.collect(outcome_, [](SecondRow&) {});
  }

  std::vector<uint64_t> requests_by_row() const {
    std::vector<uint64_t> requests;
    for (const SecondRow& row : outcome_.seconds) requests.push_back(row.requests);
    return requests;
  }

  Plan plan_ = of_two_workers();
  Control control_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  Collector collector_{plan_, control_, mailboxes_};
  Outcome outcome_;
};

TEST_F(CollectorTest, a_row_waits_for_every_worker) {
  hand_over(0, 1, 10);
  collect();
  EXPECT_TRUE(outcome_.seconds.empty());
  hand_over(1, 1, 20);
  collect();
  EXPECT_EQ(requests_by_row(), std::vector<uint64_t>{30});
}

TEST_F(CollectorTest, a_worker_that_has_ended_is_not_counted_twice) {
  hand_over(1, 1, 20);
  hand_over(1, 1.03, 2, true);
  collect();
  EXPECT_TRUE(outcome_.seconds.empty()) << "worker 0 has not said what its first second was";
  hand_over(0, 1, 10);
  hand_over(0, 1.02, 1, true);
  collect();
  EXPECT_EQ(requests_by_row(), (std::vector<uint64_t>{30, 3}));
  EXPECT_EQ(outcome_.requests, 33U);
}

TEST_F(CollectorTest, a_worker_that_ended_early_holds_no_row_up) {
  hand_over(0, 0.5, 10, true);
  hand_over(1, 1, 20);
  hand_over(1, 2, 20);
  collect();
  EXPECT_EQ(requests_by_row(), (std::vector<uint64_t>{20, 20}));
  hand_over(1, 2.5, 5, true);
  collect();
  EXPECT_EQ(requests_by_row(), (std::vector<uint64_t>{20, 20, 15}));
}

TEST_F(CollectorTest, what_comes_as_the_second_ends_is_added_to_it) {
  hand_over(0, 1, 10);
  hand_over(1, 1, 20);
  hand_over(0, 1, 0, true);
  hand_over(1, 0.999, 4, true);  // stopped just before, told just after
  collect();
  EXPECT_EQ(requests_by_row(), std::vector<uint64_t>{34});
  EXPECT_EQ(outcome_.requests, 34U);
}

}  // namespace
}  // namespace ringload
