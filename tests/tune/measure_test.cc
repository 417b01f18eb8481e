// `ringtune measure` and `search` with the real server and the real load, in networks of their
// own: planted truths must be found, with the counter that explains them, and the host must never
// be written to. Verdicts are asserted where the effect is orders of magnitude, or exact.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/load_process.h"
#include "tests/support/patience.h"
#include "tests/support/temp_tree.h"
#include "tests/tune/tune_command.h"

namespace {

using namespace support;
using nlohmann::json;

constexpr ExitStatus kNoisy{4, 0};
constexpr ExitStatus kInterrupted{130, 0};

// The parameter itself as the metric, so that what it does is exactly known.
constexpr const char* kShow = "/proc/sys/net/ipv4/tcp_fin_timeout";

struct Measured {
  Finished run;
  json result;
  const json& value(size_t index = 0) const { return result["parameters"][0]["values"][index]; }
};

class Measure : public testing::Test {
 protected:
  Measured measure(std::vector<std::string> arguments) { return ask("measure", arguments); }

  Measured ask(const std::string& command, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {command, "--json", json_});
    Finished run = ringtune(arguments);
    if (run.err.find("unshare") != std::string::npos) skipped_ = run.err;
    return {std::move(run), json::parse(read_text(json_), nullptr, false)};
  }

  TempTree tree_;
  const std::string json_ = tree_.beside("result.json");
  std::string skipped_;
};

// Exit status 4 is what a busy machine has to say; the effect must be there all the same.
void expect_worse(const Measured& measured, bool more_is_better) {
  ASSERT_TRUE(measured.run.status == kDone || measured.run.status == kNoisy) << measured.run.err;
  EXPECT_EQ(measured.result["noisy"], measured.run.status == kNoisy);
  const json& value = measured.value();
  if (more_is_better) {
    EXPECT_LT(value["high"], 1.0) << measured.run.out;
  } else {
    EXPECT_GT(value["low"], 1.0) << measured.run.out;
  }
  EXPECT_EQ(value["verdict"], "worse") << measured.run.out;
}

TEST_F(Measure, a_range_of_few_ports_is_worse_for_churn_and_the_ports_say_why) {
  const std::string page = tree_.beside("report.html");
  const Measured measured =
      measure({"--set", "net.ipv4.ip_local_port_range=40000 40019", "--workload", "churn",
               "--pairs", "6", "--seconds", "0.5", "--report", page});
  expect_worse(measured, true);
  const json& witness = measured.value()["witnesses"]["connect EADDRNOTAVAIL"];
  EXPECT_EQ(witness["baseline"], 0) << measured.run.out;
  EXPECT_GT(witness["value"], 0);
  EXPECT_NE(measured.run.out.find("no ephemeral port was left"), std::string::npos);

  const std::string html = read_text(page);
  EXPECT_NE(html.find("<svg"), std::string::npos);
  EXPECT_NE(html.find("net.ipv4.ip_local_port_range"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_EQ(html.find("src="), std::string::npos);
}

TEST_F(Measure, a_listen_queue_of_4_is_worse_for_a_burst_and_overflows_say_why) {
  const Measured measured = measure({"--set", "net.core.somaxconn=4", "--workload", "burst",
                                     "--connections", "300", "--pairs", "6", "--seconds", "0.2"});
  expect_worse(measured, false);
  const json& witness = measured.value()["witnesses"]["ListenOverflows"];
  EXPECT_EQ(witness["baseline"], 0) << measured.run.out;
  EXPECT_GE(witness["value"], 100) << measured.run.out;
  EXPECT_TRUE(witness["telling"]);
  EXPECT_NE(measured.run.out.find("accept queue"), std::string::npos);
}

TEST_F(Measure, small_send_buffers_hold_less_memory_for_slow_readers) {
  const Measured measured =
      measure({"--set", "net.ipv4.tcp_wmem=4096 16384 65536", "--workload", "slow", "--pairs", "6",
               "--connections", "4", "--seconds", "0.2"});
  EXPECT_EQ(measured.run.status, kDone) << measured.run.err << measured.run.out;
  EXPECT_EQ(measured.value()["verdict"], "better") << measured.run.out;
}

TEST_F(Measure, every_value_is_in_force_in_its_own_network_and_in_no_other) {
  const Measured measured =
      measure({"--set", "net.ipv4.tcp_fin_timeout=6,30,60", "--with", "net.ipv4.tcp_fin_timeout=60",
               "--number", "less", "--pairs", "6", "--", "cat", kShow});
  EXPECT_EQ(measured.run.status, kDone) << measured.run.err;
  const json& parameter = measured.result["parameters"][0];
  EXPECT_EQ(parameter["name"], "net.ipv4.tcp_fin_timeout");
  EXPECT_EQ(parameter["baseline"], "60");
  const std::vector<std::pair<double, std::string>> expected = {
      {0.1, "better"}, {0.5, "better"}, {1, "no difference"}};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_DOUBLE_EQ(measured.value(i)["ratio"], expected[i].first);
    EXPECT_EQ(measured.value(i)["verdict"], expected[i].second);
    EXPECT_EQ(measured.value(i)["samples"].size(), 6U);
  }
  EXPECT_EQ(measured.result["control"]["ratio"], 1.0);
  EXPECT_EQ(measured.result["format"], 1);
  EXPECT_EQ(measured.result["command"], "measure");
  EXPECT_EQ(measured.result["workload"], "command");
}

// All of /proc/sys/net that can be written, and could have been.
void collect(const std::string& path, std::map<std::string, std::string>& values) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = path + "/" + entry->d_name;
    struct stat facts {};
    if (entry->d_name[0] == '.' || ::stat(name.c_str(), &facts) < 0) continue;
    if (S_ISDIR(facts.st_mode)) collect(name, values);
    if (S_ISREG(facts.st_mode) && (facts.st_mode & S_IWUSR) != 0) values[name] = read_text(name);
  }
  ::closedir(directory);
}

TEST_F(Measure, nothing_of_the_host_is_written) {
  std::map<std::string, std::string> before;
  std::map<std::string, std::string> after;
  collect("/proc/sys/net", before);
  ASSERT_GT(before.size(), 100U);
  const Measured measured =
      measure({"--set", "net.ipv4.tcp_fin_timeout=7", "--set", "net.core.somaxconn=9", "--set",
               "net.ipv4.tcp_congestion_control=reno", "--pairs", "6", "--", "true"});
  EXPECT_TRUE(measured.run.status == kDone || measured.run.status == kNoisy) << measured.run.err;
  collect("/proc/sys/net", after);
  EXPECT_EQ(before, after);
}

// It writes what is there already: this must do no harm where it fails.
constexpr const char* kRewriteTheMachines = "cat /proc/sys/fs/file-max > /proc/sys/fs/file-max";

TEST_F(Measure, the_command_cannot_write_what_is_of_the_machine) {
  const std::string before = read_text("/proc/sys/fs/file-max");
  for (const std::string first : {"", "umount /proc/sys; ", "mount -o remount,bind,rw /proc/sys; ",
                                  "unshare -Urm umount /proc/sys; "}) {
    const Measured measured = measure({"--set", "net.core.somaxconn=4", "--", "sh", "-c",
                                       first + "echo next >&2; " + kRewriteTheMachines});
    EXPECT_EQ(measured.run.status, kTrouble) << first;
    EXPECT_NE(measured.run.err.find("Read-only file system"), std::string::npos)
        << measured.run.err;
    EXPECT_EQ(read_text("/proc/sys/fs/file-max"), before);
  }
}

TEST_F(Measure, the_command_may_write_what_is_of_its_network) {
  const Measured measured = measure({"--set", "net.core.somaxconn=4", "--pairs", "6", "--", "sh",
                                     "-c", std::string("echo 33 > ") + kShow});
  EXPECT_TRUE(measured.run.status == kDone || measured.run.status == kNoisy) << measured.run.err;
}

TEST_F(Measure, mistakes_are_told_with_what_to_do) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> mistakes = {
      {{"--set", "net.ipv4.tcp_finn_timeout=5", "--workload", "small"},
       "did you mean net.ipv4.tcp_fin_timeout?"},
      {{"--set", "vm.swappiness=5", "--workload", "small"}, "never writes there"},
      {{"--set", "net.core.netdev_max_backlog=5", "--workload", "small"}, "ENOENT"},
      {{"--set", "net.ipv4.tcp_sack=7000000000", "--workload", "small"}, "EINVAL"},
      {{"--set", "net.ipv4.tcp_congestion_control=none", "--workload", "small"},
       "tcp_available_congestion_control"},
      {{"--set", "net.core.somaxconn", "--workload", "small"}, "is not NAME=VALUE"},
      {{"--set", "net.core.somaxconn=4,4", "--workload", "small"}, "twice"},
      {{"--set", "net.core.somaxconn=4", "--workload", "smal"}, "churn, small, large"},
      {{"--set", "net.core.somaxconn=4"}, "--workload"},
      {{"--set", "net.core.somaxconn=4", "--workload", "small", "--pairs", "5"}, "--pairs"},
      {{"--set", "net.core.somaxconn=4", "--rate", "fast", "--workload", "small"}, "100Mbit"},
      {{"--set", "net.core.somaxconn=4", "--workload", "small", "--", "true"}, "give one of them"},
      {{"--set", "net.core.somaxconn=4", "--", "no-such-program"}, "ENOENT"},
      {{"--set", "net.core.somaxconn=4", "--", "sh", "-c", "echo oh no >&2; exit 3"}, "oh no"},
      {{"--set", "net.core.somaxconn=4", "--number", "more", "--", "echo", "many"}, "'many'"},
      {{"--workload", "small"}, "--set"},
      {{"--set", "tcp_sack=0", "--workload", "small"}, "did you mean net.ipv4.tcp_sack?"},
      {{"--set", "net.ipv4.ip_local_port_range=40000", "40099"}, "needs quotes"},
      {{"--set", "net.ipv4.ip_local_port_range=4-5", "--workload", "small"}, "; it is '"},
      {{"--set", "net.ipv4.tcp_rmem=5000,6000,7000", "--workload", "small"},
       "'net.ipv4.tcp_rmem=5000 6000 7000'"},
      {{"--set", "net.core.somaxconn=4", "--workload", "small", "--root", tree_.root()},
       "index.html: ENOENT"},
      {{"--set", "net.core.somaxconn=4", "--workload", "small", "--veth", "--rtt-ms", "3"},
       "leave out --veth"},
  };
  for (const auto& [arguments, message] : mistakes) {
    const Measured measured = measure(arguments);
    EXPECT_EQ(measured.run.status, kTrouble) << message;
    EXPECT_NE(measured.run.err.find(message), std::string::npos) << measured.run.err;
    EXPECT_EQ(measured.run.out, "");
  }
}

// In a user namespace of the child's: none of the machine's is written.
int forbid_user_namespaces() {
  if (::unshare(CLONE_NEWUSER) < 0) return errno;
  const int file = ::open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
  return file >= 0 && ::write(file, "0", 1) == 1 ? 0 : errno;
}

TEST_F(Measure, says_which_setting_forbids_namespaces) {
  const Finished run = ringtune({"measure", "--set", "net.core.somaxconn=4", "--workload", "small"},
                                forbid_user_namespaces);
  EXPECT_EQ(run.status, kTrouble);
  EXPECT_NE(run.err.find("ENOSPC"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("user.max_user_namespaces"), std::string::npos) << run.err;
}

// Also where the tests run under nohup(1).
int hearing_hangups() { return ::signal(SIGHUP, SIG_DFL) == SIG_ERR ? errno : 0; }

TEST_F(Measure, an_interruption_before_the_first_round_says_so_and_leaves_nothing_behind) {
  const std::string temporary = tree_.path("tmp");
  tree_.directory("tmp");
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const std::string begun = tree_.beside("begun-" + std::to_string(number));
    ChildProcess process(
        {"/usr/bin/env", "TMPDIR=" + temporary, ringtune_binary(), "measure", "--set",
         "net.core.somaxconn=4", "--", "sh", "-c", "echo >> " + begun + "; exec sleep 60"},
        hearing_hangups);
    const Deadline deadline;
    while (read_text(begun).empty() && !deadline.passed()) {
      ASSERT_FALSE(process.wait_for_exit(Deadline(0))) << process.err().text();
    }
    process.signal(number);
    EXPECT_EQ(process.wait_for_exit(), kInterrupted);
    EXPECT_NE(process.err().whole().find("interrupted before anything was measured"),
              std::string::npos);
    EXPECT_TRUE(std::filesystem::is_empty(temporary));
  }
}

TEST_F(Measure, an_interruption_leaves_the_complete_rounds_marked_as_partial) {
  const std::string count = tree_.beside("count");
  ChildProcess process({ringtune_binary(), "measure", "--json", json_, "--set",
                        "net.ipv4.tcp_fin_timeout=5", "--pairs", "1000", "--", "sh", "-c",
                        "echo >> " + count});
  constexpr size_t kEnough = 10;  // samples, of three a round
  const Deadline deadline;
  while (read_text(count).size() < kEnough && !deadline.passed()) {
    ASSERT_FALSE(process.wait_for_exit(Deadline(0))) << process.err().text();
  }
  process.signal(SIGINT);
  EXPECT_EQ(process.wait_for_exit(), kInterrupted);
  const json result = json::parse(read_text(json_));
  EXPECT_EQ(result["interrupted"], true);
  EXPECT_GE(result["pairs"], 3);
  EXPECT_LT(result["pairs"], 1000);
  EXPECT_EQ(result["baseline"]["samples"].size(), result["pairs"]);
  EXPECT_NE(process.out().whole().find("INTERRUPTED"), std::string::npos);
}

TEST_F(Measure, over_a_link_a_connection_takes_its_round_trips) {
  constexpr double kRoundTrip_ms = 10;
  const Measured measured =
      measure({"--set", "net.ipv4.tcp_fin_timeout=5", "--rtt-ms", "10", "--pairs", "6", "--", "sh",
               "-c", ringload_binary() + " --quiet -c 1 -n 1 \"$RINGTUNE_URL\""});
  if (measured.run.err.find("/dev/net/tun") != std::string::npos) GTEST_SKIP() << measured.run.err;
  ASSERT_TRUE(measured.run.status == kDone || measured.run.status == kNoisy) << measured.run.err;
  // One for the handshake, one for the request.
  for (const json& sample : measured.result["baseline"]["samples"]) {
    EXPECT_GE(sample["metrics"][0], 2 * kRoundTrip_ms);
  }
}

TEST_F(Measure, search_finds_what_matters_and_says_what_does_not) {
  const Measured found = ask("search", {"--set", "net.ipv4.tcp_fin_timeout=6,30", "--names",
                                        "net.ipv4.tcp_sack,net.core.somaxconn", "--number", "less",
                                        "--budget", "20s", "--", "cat", kShow});
  EXPECT_EQ(found.run.status, kDone) << found.run.err;
  const json& factors = found.result["screening"]["factors"];
  ASSERT_EQ(factors.size(), 3U);
  EXPECT_EQ(factors[0]["name"], "net.ipv4.tcp_fin_timeout");
  EXPECT_NEAR(factors[0]["ratio"], 5, 1e-9);
  EXPECT_EQ(factors[0]["verdict"], "worse");
  EXPECT_NEAR(factors[1]["ratio"], 1, 1e-9);
  EXPECT_EQ(factors[1]["verdict"], "no difference");
  EXPECT_NE(found.run.out.find("Did not matter here: "), std::string::npos) << found.run.out;
  const json& parameters = found.result["parameters"];
  ASSERT_EQ(parameters.size(), 1U) << found.run.out;
  EXPECT_EQ(parameters[0]["name"], "net.ipv4.tcp_fin_timeout");
  EXPECT_EQ(parameters[0]["values"][0]["value"], "6");
  EXPECT_EQ(parameters[0]["values"][0]["verdict"], "better");

  const Finished emitted = ringtune({"emit", "--from", json_});
  EXPECT_EQ(emitted.status, kDone) << emitted.err;
  EXPECT_NE(emitted.out.find("net.ipv4.tcp_fin_timeout"), std::string::npos) << emitted.out;
  EXPECT_NE(emitted.out.find("net.ipv4.tcp_sack was screened only"), std::string::npos)
      << emitted.out;
  EXPECT_EQ(emitted.out.find("\nnet.ipv4.tcp_sack"), std::string::npos) << emitted.out;
}

TEST_F(Measure, search_says_when_the_budget_is_too_small) {
  const Measured found = ask("search", {"--set", "net.ipv4.tcp_fin_timeout=6,30", "--budget", "1s",
                                        "--", "sleep", "0.06"});
  EXPECT_EQ(found.run.status, kTrouble);
  EXPECT_NE(found.run.err.find("--budget"), std::string::npos) << found.run.err;
}

}  // namespace
