// The words of --expect: what they mean, and that no slip is taken for something else.
#include <gtest/gtest.h>

#include "client/tune/check/expectation.h"

namespace {

using namespace ringtune;

TEST(Expectation, has_what_was_said_and_nothing_else) {
  const auto expected =
      parse_expectation("serve", "connections=20000,rtt_ms=0.5,bandwidth=10Gbit,close=server");
  ASSERT_TRUE(expected) << expected.error().message();
  EXPECT_TRUE(expected->serve);
  EXPECT_FALSE(expected->load);
  EXPECT_EQ(expected->connections, 20000U);
  EXPECT_EQ(expected->rtt_ms, 0.5);
  EXPECT_EQ(expected->bandwidth_bit_per_s, 1e10);
  EXPECT_FALSE(expected->new_per_s);
  EXPECT_FALSE(expected->loopback);
  EXPECT_TRUE(expected->closes_first_here());
}

TEST(Expectation, can_be_said_again_in_its_own_words) {
  const std::string words =
      "connections=20000,new_per_s=3000,burst=7,rtt_ms=30,bandwidth=940Mbit,idle_s=350,sources=2,"
      "destinations=3,port=8080,close=client,loopback";
  const auto expected = parse_expectation("", words);
  ASSERT_TRUE(expected) << expected.error().message();
  EXPECT_EQ(expectation_words(*expected), words);
}

TEST(Expectation, knows_units_of_bandwidth) {
  EXPECT_EQ(parse_bandwidth("10Gbit"), 1e10);
  EXPECT_EQ(parse_bandwidth("2.5gbit/s"), 2.5e9);
  EXPECT_EQ(parse_bandwidth("940Mbps"), 9.4e8);
  EXPECT_EQ(parse_bandwidth("100k"), 1e5);
  EXPECT_EQ(parse_bandwidth("1500"), 1500);
  for (const char* wrong :
       {"", "fast", "-1Gbit", "10Gbyte", "0", "nan", "inf", "1e99", "10 Gbit"}) {
    EXPECT_FALSE(parse_bandwidth(wrong)) << wrong;
  }
}

struct Slip {
  const char* text;
  const char* word;
};

TEST(Expectation, names_a_slip) {
  for (const Slip& slip :
       {Slip{"conections=5", "'connections'"}, Slip{"connections=0", "connections='0'"},
        Slip{"connections=1.5", "whole"}, Slip{"connections=many", "'many'"},
        Slip{"connections=5,connections=6", "twice"}, Slip{"=5", "KEY=VALUE"},
        Slip{"rtt_ms=-1", "rtt_ms='-1'"}, Slip{"rtt_ms=nan", "rtt_ms='nan'"},
        Slip{"close=me", "close=client"}, Slip{"loopback=1", "no value"},
        Slip{"bandwidth=fast", "10Gbit"}, Slip{"bandwidth=10", "10Gbit"},
        Slip{"connections", "connections=''"}, Slip{"zzzzzzzzzzzzz=1", "there are connections"},
        Slip{"sources=0", "sources='0'"}}) {
    const auto expected = parse_expectation("", slip.text);
    ASSERT_FALSE(expected) << slip.text;
    EXPECT_NE(expected.error().message().find(slip.word), std::string::npos)
        << slip.text << ": " << expected.error().message();
  }
}

}  // namespace
