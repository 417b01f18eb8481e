// The story of client/README.md: of five planted mistakes one slows a load test. `check` names
// those that could matter, and what it says to type, with `measure`, shows which one does.
#include <nlohmann/json.hpp>

#include "tests/support/patience.h"
#include "tests/tune/private_host.h"

namespace {

using namespace support;
using nlohmann::json;

constexpr ExitStatus kNoisy{4, 0};
constexpr int kPatience_s = 110;

struct Load {
  const char* name;
  const char* expect;
  const char* guilty;
  bool more_is_better;
};

void PrintTo(const Load& load, std::ostream* out) { *out << load.name; }

class Story : public PrivateHostTest, public testing::WithParamInterface<Load> {
 protected:
  void SetUp() override {
    PrivateHostTest::SetUp();
    if (IsSkipped()) return;
    plant("net.ipv4.ip_local_port_range", "40000 40019");
    plant("net.core.somaxconn", "4");
    plant("net.ipv4.tcp_rmem", "4096 87380 262144");
    plant("net.ipv4.tcp_sack", "0");
    plant("net.ipv4.tcp_keepalive_time", "60");
  }

  // The command that `check` proposes at its end, as one would paste it, with these options more.
  static std::string proposed_by(const std::string& report, const std::string& options) {
    const std::string begin = "  ringtune measure ";
    const size_t from = report.find(begin);
    const size_t end = report.find("or, instead of", from);
    if (from == std::string::npos || end == std::string::npos) return "false";
    return "exec " + ringtune_binary() + " measure " + options + " " +
           report.substr(from + begin.size(), end - from - begin.size());
  }
};

// How many times better than the planted value, whichever direction is the better one.
double gain(const json& parameter, bool more_is_better) {
  const double ratio = parameter["values"][0]["ratio"];
  return more_is_better ? ratio : 1 / ratio;
}

TEST_P(Story, shows_which_of_five_planted_mistakes_slows_a_load) {
  const Load& load = GetParam();
  const Finished check = ringtune({"check", "--for", "load", "--expect", load.expect});
  const std::string command =
      proposed_by(check.out, "--pairs 6 --seconds 0.4 --json " + files_.path("result.json"));
  ASSERT_NE(command.find(load.guilty), std::string::npos) << check.out;
  ChildProcess measure({"/bin/sh", "-c", command});
  const auto status = measure.wait_for_exit(Deadline(kPatience_s));
  const std::string err = measure.err().whole();
  ASSERT_TRUE(status == kDone || status == kNoisy) << err;
  const std::string report = measure.out().whole();
  const json result = json::parse(read_text(files_.path("result.json")));
  double of_guilty = 0;
  for (const json& parameter : result["parameters"]) {
    if (parameter["name"] != load.guilty) continue;
    EXPECT_EQ(parameter["values"][0]["verdict"], "better") << report;
    of_guilty = gain(parameter, load.more_is_better);
  }
  // By chance another may seem better too, but not by as much.
  for (const json& parameter : result["parameters"]) {
    if (parameter["name"] == load.guilty) continue;
    EXPECT_LT(gain(parameter, load.more_is_better), of_guilty) << report;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Loads, Story,
    testing::Values(Load{"new_connections", "connections=4,new_per_s=5000,loopback",
                         "net.ipv4.ip_local_port_range", true},
                    Load{"a_crowd", "burst=16,loopback", "net.core.somaxconn", false}),
    [](const testing::TestParamInfo<Load>& load) { return std::string(load.param.name); });

}  // namespace
