// `ringtune explain`: what is said about a parameter, and what to one that there is not.
#include "tests/tune/tune_command.h"

namespace {

using namespace support;

TEST(Explain, tells_the_present_value) {
  const Finished run = ringtune({"explain", "net.ipv4.tcp_fin_timeout"});
  EXPECT_EQ(run.status, kDone) << run.err;
  EXPECT_NE(run.out.find("net.ipv4.tcp_fin_timeout"), std::string::npos) << run.out;
}

TEST(Explain, without_a_name_is_a_usage_error) {
  const Finished run = ringtune({"explain"});
  EXPECT_EQ(run.status, kTrouble);
  EXPECT_NE(run.err.find("NAME"), std::string::npos) << run.err;
}

}  // namespace
