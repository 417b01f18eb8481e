// The arithmetic of `ringtune check`, on machines with one planted value: that one is blamed, and
// no other.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/tune/planted_machine.h"

namespace {

using namespace ringtune;
using namespace tune_tests;

constexpr const char* kServe =
    "connections=20000,new_per_s=3000,rtt_ms=30,bandwidth=5Gbit,burst=5000";
constexpr const char* kLoopbackLoad =
    "connections=1000,new_per_s=3000,loopback,rtt_ms=1,bandwidth=1Gbit";
constexpr const char* kRemoteLoad = "connections=64,new_per_s=200,rtt_ms=30,bandwidth=1Gbit";
constexpr const char* kBusyRemoteLoad = "connections=64,new_per_s=3000";

std::vector<Finding> judged(const std::string& purpose, const std::string& expected,
                            const std::string& name = {}, const std::string& value = {}) {
  Machine machine = healthy_machine();
  if (!name.empty()) machine.values[name] = value;
  return judge(machine, expect(purpose, expected));
}

TEST(Judge, finds_nothing_on_a_machine_that_is_well) {
  for (const auto& [purpose, expected] :
       {std::pair("serve", kServe), std::pair("load", kLoopbackLoad),
        std::pair("load", kRemoteLoad)}) {
    const auto findings = judged(purpose, expected);
    EXPECT_EQ(names_of(findings, Verdict::breaks), "") << expected;
    EXPECT_EQ(names_of(findings, Verdict::tight), "") << expected;
    EXPECT_EQ(findings.size(), static_cast<size_t>(std::count_if(
                                   catalogue().begin(), catalogue().end(),
                                   [](const Parameter& one) { return one.gone.empty(); })));
  }
}

struct Planted {
  const char* test;
  const char* purpose;
  const char* expected;
  const char* name;
  const char* value;
  const char* word;    // of the arithmetic
  const char* wanted;  // "" where no value is offered
};

class PlantedMistake : public ::testing::TestWithParam<Planted> {};

TEST_P(PlantedMistake, is_the_only_one_that_breaks) {
  const Planted& planted = GetParam();
  const auto findings = judged(planted.purpose, planted.expected, planted.name, planted.value);
  EXPECT_EQ(names_of(findings, Verdict::breaks), planted.name);
  const Finding& finding = finding_of(findings, planted.name);
  EXPECT_NE(finding.arithmetic.find(planted.word), std::string::npos) << finding.arithmetic;
  EXPECT_EQ(finding.wanted.value_or(""), planted.wanted) << finding.advice;
  if (*planted.wanted == '\0') return;
  // And what is offered mends it.
  const auto mended = judged(planted.purpose, planted.expected, planted.name, planted.wanted);
  EXPECT_EQ(names_of(mended, Verdict::breaks), "");
}

INSTANTIATE_TEST_SUITE_P(
    one, PlantedMistake,
    ::testing::Values(
        Planted{"few_ports", "load", kLoopbackLoad, "net.ipv4.ip_local_port_range", "32768 32867",
                "4000 are held: connect() fails with EADDRNOTAVAIL", "32768 60999"},
        Planted{"reuse_off", "load", kLoopbackLoad, "net.ipv4.tcp_tw_reuse", "0",
                "3000/s x 60 s in TIME_WAIT + 1000 open = 181000", "1"},
        Planted{"reuse_for_loopback_only", "load", kBusyRemoteLoad, "net.ipv4.tcp_tw_reuse", "2",
                "28232 ports x 1 source x 1 destination = 28232", "1"},
        Planted{"no_timestamps", "load", kLoopbackLoad, "net.ipv4.tcp_timestamps", "0",
                "in TIME_WAIT", "1"},
        Planted{"a_long_delay", "load", kLoopbackLoad, "net.ipv4.tcp_tw_reuse_delay", "30000",
                "3000/s x 30 s until reuse", "1000"},
        Planted{"all_ports_reserved", "load", kLoopbackLoad, "net.ipv4.ip_local_reserved_ports",
                "32768-60990", "9 ports", ""},
        Planted{"a_short_queue", "serve", kServe, "net.core.somaxconn", "128",
                "5000 wait (a burst) in a queue of min(128, the server's backlog) + 1 = 129",
                "32768"},
        Planted{"a_short_queue_here", "load", kLoopbackLoad, "net.core.somaxconn", "4", "= 5",
                "4096"},
        Planted{"few_descriptors", "serve", kServe, "RLIMIT_NOFILE", "1024 4096",
                "20000 connections + 256 = 20256", ""},
        Planted{"few_files", "serve", kServe, "fs.file-max", "10000", "ENFILE", "65536"},
        Planted{"a_small_receive_buffer", "load", kRemoteLoad, "net.ipv4.tcp_rmem",
                "4096 16384 65536", "1 Gbit/s x 30 ms = 3.6 MiB under way", "4096 16384 8388608"},
        Planted{"a_small_send_buffer", "serve", "rtt_ms=30,bandwidth=1Gbit", "net.ipv4.tcp_wmem",
                "4096 16384 1048576", "one connection reaches 140 Mbit/s", "4096 16384 8388608"},
        Planted{"a_send_buffer_of_a_segment", "load", kLoopbackLoad, "net.ipv4.tcp_wmem",
                "4096 16384 65536", "40 ms", "4096 16384 4194304"},
        Planted{"no_window_scaling", "load", "rtt_ms=30,bandwidth=1Gbit",
                "net.ipv4.tcp_window_scaling", "0", "64 KiB / 30 ms = 17 Mbit/s", "1"},
        Planted{"little_memory", "serve", kServe, "net.ipv4.tcp_mem", "1000 2000 3000",
                "20000 connections x 16 KiB", ""},
        Planted{"few_orphans", "serve", kServe, "net.ipv4.tcp_max_orphans", "64",
                "90 close within a round trip", "32768"}),
    [](const auto& parameter) { return std::string(parameter.param.test); });

TEST(Judge, blames_the_ports_when_no_single_value_would_do) {
  Machine machine = healthy_machine();
  machine.values["net.ipv4.tcp_tw_reuse"] = "0";
  machine.values["net.ipv4.tcp_timestamps"] = "0";
  const auto findings = judge(machine, expect("load", kBusyRemoteLoad));
  EXPECT_EQ(names_of(findings, Verdict::breaks), "net.ipv4.ip_local_port_range");
  const Finding& finding = finding_of(findings, "net.ipv4.ip_local_port_range");
  EXPECT_FALSE(finding.wanted);
  // 180064 are held, a source has 28232 ports
  EXPECT_NE(finding.advice.find("7 sources"), std::string::npos) << finding.advice;
}

TEST(Judge, counts_ports_for_each_source_and_destination) {
  const auto findings = judged("load", "connections=64,new_per_s=3000,sources=4,destinations=2");
  const Finding& finding = finding_of(findings, "net.ipv4.ip_local_port_range");
  EXPECT_EQ(finding.verdict, Verdict::tight);
  EXPECT_NE(finding.arithmetic.find("28232 ports x 4 sources x 2 destinations = 225856"),
            std::string::npos)
      << finding.arithmetic;
}

TEST(Judge, holds_no_port_where_the_server_closes_first) {
  const auto findings = judged("load", "connections=64,new_per_s=3000,close=server");
  EXPECT_EQ(finding_of(findings, "net.ipv4.ip_local_port_range").verdict, Verdict::ok);
  EXPECT_EQ(finding_of(findings, "net.ipv4.tcp_tw_reuse").verdict, Verdict::no_matter);
}

TEST(Judge, guesses_no_number_that_was_not_given) {
  const auto findings = judged("", "");
  EXPECT_EQ(names_of(findings, Verdict::breaks), "");
  const Finding& finding = finding_of(findings, "net.core.somaxconn");
  EXPECT_EQ(finding.verdict, Verdict::unasked);
  EXPECT_NE(finding.arithmetic.find("burst"), std::string::npos);
}

TEST(Judge, notices_a_maximum_below_the_kernels_own) {
  const std::string name = "net.ipv4.tcp_rmem";
  const std::string profile = "4096 131072 16777216";
  EXPECT_EQ(finding_of(judged("load", kRemoteLoad, name, profile), name).verdict, Verdict::tight);
  Machine older = healthy_machine();
  older.version = {6, 12};
  older.values[name] = profile;
  EXPECT_EQ(finding_of(judge(older, expect("load", kRemoteLoad)), name).verdict, Verdict::ok);
}

TEST(Judge, asks_for_the_half_of_cookies_that_is_read) {
  Machine machine = healthy_machine();
  const std::string name = "net.ipv4.tcp_max_syn_backlog";
  machine.values[name] = "64";
  EXPECT_EQ(finding_of(judge(machine, expect("serve", kServe)), name).verdict, Verdict::no_matter);
  machine.values["net.ipv4.tcp_syncookies"] = "0";
  EXPECT_EQ(finding_of(judge(machine, expect("serve", kServe)), name).verdict, Verdict::breaks);
}

TEST(Judge, tells_a_ring_that_is_forbidden_by_whom) {
  Machine machine = healthy_machine();
  machine.ring_errno = EPERM;
  const std::string name = "kernel.io_uring_disabled";
  const auto by_profile = finding_of(judge(machine, expect("serve", "")), name);
  EXPECT_EQ(by_profile.verdict, Verdict::breaks);
  EXPECT_NE(by_profile.advice.find("seccomp"), std::string::npos);
  machine.values[name] = "2";
  const auto by_sysctl = finding_of(judge(machine, expect("serve", "")), name);
  EXPECT_EQ(by_sysctl.wanted.value_or(""), "0");
}

TEST(Judge, looks_at_the_backlog_of_the_listener_itself) {
  Machine machine = healthy_machine();
  machine.listeners = {{"0.0.0.0:22", 22, 128}, {"0.0.0.0:8080", 8080, 511}};
  const std::string name = "net.core.somaxconn";
  const auto verdict = [&](const std::string& port) {
    return finding_of(judge(machine, expect("serve", "burst=512,connections=512" + port)), name);
  };
  EXPECT_EQ(verdict("").verdict, Verdict::ok);
  EXPECT_EQ(verdict(",port=8080").verdict, Verdict::ok);
  const auto of_ssh = verdict(",port=22");
  EXPECT_EQ(of_ssh.verdict, Verdict::breaks);
  EXPECT_FALSE(of_ssh.wanted) << "the sysctl is not what is wrong";
  EXPECT_NE(of_ssh.arithmetic.find("0.0.0.0:22, which holds 128 + 1"), std::string::npos)
      << of_ssh.arithmetic;
}

TEST(Judge, wants_the_servers_port_out_of_the_range) {
  const std::string name = "net.ipv4.ip_local_reserved_ports";
  const auto within = finding_of(judged("serve", "port=40000", name, "8080"), name);
  EXPECT_EQ(within.verdict, Verdict::tight);
  EXPECT_EQ(within.wanted.value_or(""), "8080,40000");
  EXPECT_EQ(finding_of(judged("serve", "port=8080"), name).verdict, Verdict::no_matter);
  const auto reserved = finding_of(judged("serve", "port=40000", name, "39000-41000"), name);
  EXPECT_EQ(reserved.verdict, Verdict::no_matter);
}

TEST(Judge, judges_connection_tracking_only_where_something_is_tracked) {
  Machine machine = healthy_machine();
  const std::string name = "net.netfilter.nf_conntrack_max";
  EXPECT_EQ(finding_of(judge(machine, expect("serve", kServe)), name).verdict, Verdict::no_matter);
  machine.conntrack_entries = 10;
  const auto finding = finding_of(judge(machine, expect("serve", kServe)), name);
  EXPECT_EQ(finding.verdict, Verdict::breaks);
  EXPECT_NE(finding.arithmetic.find("20000 open + 3000/s x 120 s + 10 now = 380010 entries"),
            std::string::npos)
      << finding.arithmetic;
}

TEST(Judge, objects_to_a_refused_value_that_is_there_already) {
  const std::string name = "net.ipv4.tcp_sack";
  const auto finding = finding_of(judged("serve", kServe, name, "0"), name);
  EXPECT_EQ(finding.verdict, Verdict::tight);
  EXPECT_EQ(finding.wanted.value_or(""), "1");
}

TEST(Judge, notices_limits_below_what_one_write_holds) {
  for (const char* name : {"net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_limit_output_bytes"}) {
    EXPECT_EQ(finding_of(judged("serve", kServe, name, "4096"), name).verdict, Verdict::tight);
  }
}

TEST(Judge, offers_no_value_that_lowers) {
  Machine machine = healthy_machine();
  machine.values["net.ipv4.tcp_wmem"] = "4096 16384 131072";
  for (const Finding& finding : judge(machine, expect("load", kLoopbackLoad))) {
    if (!finding.wanted) continue;
    EXPECT_FALSE(lowers(*finding.parameter, finding.present, *finding.wanted))
        << finding.parameter->name;
  }
}

TEST(Judge, gives_up_after_the_time_that_the_documentation_says) {
  const std::string name = "net.ipv4.tcp_retries2";
  EXPECT_NE(finding_of(judged("serve", ""), name).arithmetic.find("924.6 s"), std::string::npos);
  const auto few = finding_of(judged("serve", "", name, "5"), name);
  EXPECT_EQ(few.verdict, Verdict::tight);
  EXPECT_NE(few.arithmetic.find("12.6 s"), std::string::npos) << few.arithmetic;
}

TEST(Machine, sums_softnet_stat_over_the_cpus) {
  const auto sums = sum_softnet("0000ffff 0000000a 00000001 0\n00000001 00000006 0000000f 0\n");
  ASSERT_TRUE(sums);
  EXPECT_EQ(sums->dropped, 16U);
  EXPECT_EQ(sums->squeezed, 16U);
  EXPECT_FALSE(sum_softnet("not hexadecimal at all\n"));
  EXPECT_FALSE(sum_softnet(""));
}

TEST(Machine, reads_limits_and_versions) {
  EXPECT_EQ(limit_of("1024 4096", false), 1024U);
  EXPECT_EQ(limit_of("1024 unlimited", true), UINT64_MAX);
  EXPECT_FALSE(limit_of("1024", true));
  EXPECT_EQ(version_of("6.18.44-fc"), (KernelVersion{6, 18}));
  EXPECT_EQ(version_of("nonsense"), (KernelVersion{0, 0}));
}

}  // namespace
