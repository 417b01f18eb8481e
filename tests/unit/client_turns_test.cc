// Turns of addresses.
#include <gtest/gtest.h>

#include "server/clients/turns.h"

namespace ringserve::clients {
namespace {

TEST(ClientTurns, an_address_has_one_in_each_pass) {
  const int one = 1, other = 2;
  Turns turns;
  for (int pass = 0; pass < 3; ++pass) {
    turns.begin_pass();
    EXPECT_TRUE(turns.take(&one));
    EXPECT_FALSE(turns.take(&one));
    EXPECT_TRUE(turns.take(&other));
    EXPECT_FALSE(turns.take(&other));
  }
}

TEST(ClientTurns, who_has_no_address_has_all_it_wants) {
  Turns turns;
  turns.begin_pass();
  EXPECT_TRUE(turns.take(nullptr));
  EXPECT_TRUE(turns.take(nullptr));
}

}  // namespace
}  // namespace ringserve::clients
