// `ringtune check` on a host with one planted mistake, as its user sees it.
#include <nlohmann/json.hpp>

#include "common/net/verbs.h"
#include "tests/tune/private_host.h"

namespace {

using namespace support;
using nlohmann::json;

class Check : public PrivateHostTest {};

const json& finding(const json& report, const std::string& name) {
  for (const json& each : report.at("parameters")) {
    if (each.at("name") == name) return each;
  }
  throw std::runtime_error("no " + name);
}

std::string breaking(const json& report) {
  std::string names;
  for (const json& each : report.at("parameters")) {
    // What the machine of the test has of descriptors and rings is not planted.
    const bool is_planted = each.at("scope") == "network namespace";
    if (each.at("verdict") == "breaks" && is_planted) names += each.at("name").get<std::string>();
  }
  return names;
}

TEST_F(Check, finds_the_planted_mistake) {
  struct Mistake {
    const char* name;
    const char* value;
  };
  for (const Mistake& planted :
       {Mistake{"net.ipv4.ip_local_port_range", "32768 32867"}, Mistake{"net.core.somaxconn", "4"},
        Mistake{"net.ipv4.tcp_tw_reuse", "0"}, Mistake{"net.ipv4.tcp_timestamps", "0"},
        Mistake{"net.ipv4.tcp_wmem", "4096 16384 65536"}}) {
    const std::string before = now(planted.name);
    plant(planted.name, planted.value);
    const Finished run = ringtune({"check", "--for", "load", "--json", "--expect",
                                   "connections=500,new_per_s=2000,loopback"});
    EXPECT_EQ(run.status, kFound) << run.err;
    const json report = json::parse(run.out);
    EXPECT_EQ(breaking(report), planted.name);
    EXPECT_EQ(finding(report, planted.name).at("present"), now(planted.name));
    plant(planted.name, before);
  }
}

TEST_F(Check, sees_a_listener_that_keeps_a_short_queue) {
  const net::OwnedFd listener =
      net::verbs::listen_on(net::verbs::at("127.0.0.1:8080"), {.backlog = 7});
  const Finished run =
      ringtune({"check", "--for", "serve", "--json", "--expect", "burst=100,port=8080"});
  EXPECT_EQ(run.status, kFound) << run.err;
  const json report = json::parse(run.out);
  EXPECT_EQ(breaking(report), "net.core.somaxconn");
  const auto arithmetic = finding(report, "net.core.somaxconn").at("arithmetic");
  EXPECT_NE(arithmetic.get<std::string>().find("127.0.0.1:8080, which holds 7 + 1"),
            std::string::npos)
      << arithmetic;
}

TEST_F(Check, shows_the_arithmetic_in_80_columns) {
  plant("net.ipv4.ip_local_port_range", "40000 40099");
  const Finished run = ringtune({"check", "--for", "load", "--expect", "new_per_s=2000,loopback"});
  EXPECT_EQ(run.status, kFound) << run.err;
  EXPECT_NE(run.out.find("100 ports x 1 source x 1 destination = 100"), std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("set net.ipv4.ip_local_port_range = 32768 60999"), std::string::npos);
  EXPECT_NE(run.out.find("kernel-notes/07-ephemeral-ports.md"), std::string::npos);
  EXPECT_NE(run.out.find("  ringtune measure \\\n"
                         "    --set 'net.ipv4.ip_local_port_range=32768 60999' \\\n"),
            std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("    --workload churn\n"), std::string::npos) << run.out;
  plant("net.ipv4.tcp_rmem", "4096 87380 262144");
  const Finished far =
      ringtune({"check", "--for", "load", "--expect", "connections=9,bandwidth=1Gbit,rtt_ms=2.5"});
  EXPECT_NE(far.out.find("    --workload large --connections 9 --rtt-ms 2.5\n"), std::string::npos)
      << far.out;
  const Finished huge = ringtune(
      {"check", "--for", "load", "--expect", "connections=1000000,bandwidth=1Gbit,rtt_ms=20000"});
  EXPECT_NE(huge.out.find(" --connections 100000 --rtt-ms 10000\n"), std::string::npos)
      << "measure takes no more; " << huge.out;
  EXPECT_EQ(run.out.find('\x1b'), std::string::npos) << "colours into a pipe";
  for (size_t at = 0; at < run.out.size();) {
    const size_t end = std::min(run.out.find('\n', at), run.out.size());
    EXPECT_LE(end - at, 80U) << run.out.substr(at, end - at);
    at = end + 1;
  }
}

TEST_F(Check, without_numbers_breaks_nothing_of_the_network) {
  const Finished run = ringtune({"check", "--json"});
  const json report = json::parse(run.out);
  EXPECT_EQ(breaking(report), "");
  EXPECT_EQ(finding(report, "net.core.somaxconn").at("verdict"), "unasked");
}

TEST(CheckCommand, names_what_is_wrong_with_its_options) {
  struct Case {
    std::vector<std::string> arguments;
    const char* word;
  };
  for (const Case& one : {Case{{"check", "--for", "fun"}, "--for"},
                          Case{{"check", "--expect", "conections=5"}, "'connections'"},
                          Case{{"check", "--jsn"}, "--jsn"}, Case{{"check", "more"}, "more"},
                          Case{{"chek"}, "did you mean 'check'"}, Case{{}, "subcommand"}}) {
    const Finished run = ringtune(one.arguments);
    EXPECT_EQ(run.status, kTrouble);
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err.find(one.word), std::string::npos) << run.err;
  }
}

}  // namespace
