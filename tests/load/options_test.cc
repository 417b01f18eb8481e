// ringload's command line, and starts that must fail: exit 2 names the option that is wrong,
// exit 1 says what could not be reached and why. Never a figure of a run that was none.
#include "tests/support/load_test.h"

namespace {

using namespace support;

constexpr int kNoStart = 1;
constexpr int kUsage = 2;
constexpr const char* kUrl = "http://127.0.0.1:9/";

struct Nonsense {
  const char* name;
  std::vector<std::string> arguments;
  std::vector<std::string> words;  // in the message
};

class UsageError : public ::testing::TestWithParam<Nonsense> {};

TEST_P(UsageError, is_named) {
  const Finished run = run_ringload_plainly(GetParam().arguments);
  EXPECT_EQ(run.status, (ExitStatus{2, 0})) << run.err;
  EXPECT_EQ(run.out, "");
  for (const std::string& word : GetParam().words) {
    EXPECT_NE(run.err.find(word), std::string::npos) << "no '" << word << "' in: " << run.err;
  }
}

INSTANTIATE_TEST_SUITE_P(
    nonsense, UsageError,
    ::testing::Values(
        Nonsense{"no_url", {}, {"URL"}},
        Nonsense{"an_unknown_option", {"--conections", "2", kUrl}, {"--conections"}},
        Nonsense{"no_connections", {"-c", "0", kUrl}, {"--connections"}},
        Nonsense{"negative_connections", {"-c", "-1", kUrl}, {"--connections"}},
        Nonsense{"connections_that_are_no_number", {"-c", "many", kUrl}, {"--connections"}},
        Nonsense{"no_threads", {"-t", "0", kUrl}, {"--threads"}},
        Nonsense{"more_threads_than_connections", {"-c", "2", "-t", "3", kUrl}, {"--threads"}},
        Nonsense{"more_threads_than_a_ramp_has_connections",
                 {"-t", "3", "--ramp", "1:2:1s", kUrl},
                 {"--threads"}},
        Nonsense{"a_negative_seed", {"--seed", "-1", kUrl}, {"--seed"}},
        Nonsense{"a_file_called_minus", {"--csv", "-", kUrl}, {"'-'"}},
        Nonsense{"two_outputs_of_one_name", {"--hgrm", "x", "--csv", "x", kUrl}, {"'x'"}},
        Nonsense{"no_duration", {"-d", "0s", kUrl}, {"--duration"}},
        Nonsense{"a_duration_without_sense", {"-d", "soon", kUrl}, {"--duration", "soon"}},
        Nonsense{"a_negative_duration", {"-d", "-3s", kUrl}, {"--duration"}},
        Nonsense{"no_requests", {"-n", "0", kUrl}, {"--requests"}},
        Nonsense{"no_timeout", {"--timeout", "0s", kUrl}, {"--timeout"}},
        Nonsense{"a_rate_of_none", {"-r", "0", kUrl}, {"--rate"}},
        Nonsense{"a_negative_rate", {"-r", "-5", kUrl}, {"--rate"}},
        Nonsense{"a_rate_that_is_no_number", {"-r", "nan", kUrl}, {"--rate"}},
        Nonsense{"a_ramp_of_garbage", {"--ramp", "up", kUrl}, {"--ramp", "up"}},
        Nonsense{"a_ramp_without_time", {"--ramp", "1:100", kUrl}, {"--ramp", "1:100"}},
        Nonsense{"no_pipeline", {"--pipeline", "0", kUrl}, {"--pipeline"}},
        Nonsense{"a_pipeline_on_new_connections",
                 {"--pipeline", "4", "--new-connection", kUrl},
                 {"--pipeline 4"}},
        Nonsense{"close_by_nobody",
                 {"--new-connection", "--close-by", "nobody", kUrl},
                 {"--close-by", "nobody"}},
        Nonsense{"an_unknown_body", {"--body", "burn", kUrl}, {"--body", "burn"}},
        Nonsense{"verify_without_directory", {"--body", "verify", kUrl}, {"--body"}},
        Nonsense{"popularity_without_paths", {"--popularity", "zipf:1", kUrl}, {"--popularity"}},
        Nonsense{"a_field_without_colon", {"-H", "nothing", kUrl}, {"nothing"}},
        Nonsense{"a_field_with_a_line_end", {"-H", "A: b\r\nC: d", kUrl}, {"-H"}},
        Nonsense{"a_method_with_a_space", {"--method", "GET /", kUrl}, {"--method"}},
        Nonsense{"an_http_version_to_come", {"--http-version", "3", kUrl}, {"--http-version"}},
        Nonsense{"a_condition_without_sense", {"--fail-if", "p99", kUrl}, {"--fail-if", "p99"}},
        Nonsense{"a_condition_on_nothing", {"--fail-if", "luck<3", kUrl}, {"--fail-if", "luck"}},
        Nonsense{"a_condition_in_litres", {"--stop-on", "p99>5l", kUrl}, {"--stop-on", "5l"}},
        Nonsense{"a_source_that_is_no_address", {"--source", "here", kUrl}, {"--source", "here"}},
        Nonsense{"sources_of_another_family", {"--source", "::1", kUrl}, {"--source"}},
        Nonsense{"live_sometimes", {"--live", "sometimes", kUrl}, {"--live", "sometimes"}},
        Nonsense{"https", {"https://127.0.0.1/"}, {"https", "not supported yet"}},
        Nonsense{"a_url_of_nothing", {"http://"}, {"http://"}},
        Nonsense{"a_url_without_scheme", {"127.0.0.1:80/"}, {"127.0.0.1:80/", "http://"}},
        Nonsense{"a_port_beyond_all", {"http://127.0.0.1:70000/"}, {"70000"}},
        Nonsense{"a_path_with_a_space", {"http://127.0.0.1/a b"}, {"a b", "%20"}}),
    [](const auto& each) { return std::string(each.param.name); });

class StartTest : public LoadTest {
 protected:
  void expect_failed_start(int exit_code, std::vector<std::string> arguments,
                           std::initializer_list<std::string> words) {
    const Finished run = run_ringload_plainly(std::move(arguments));
    EXPECT_EQ(run.status, (ExitStatus{exit_code, 0})) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err.find("ringload: error: "), std::string::npos) << run.err;
    for (const std::string& word : words) {
      EXPECT_NE(run.err.find(word), std::string::npos) << "no '" << word << "' in: " << run.err;
    }
  }
};

TEST_F(StartTest, help_names_every_option) {
  const Finished run = run_ringload_plainly({"--help"});
  EXPECT_EQ(run.status, (ExitStatus{0, 0}));
  for (const char* option : {"--connections",
                             "--threads",
                             "--duration",
                             "--requests",
                             "--warmup",
                             "--rate",
                             "--ramp",
                             "--pipeline",
                             "--new-connection",
                             "--close-by",
                             "--requests-per-connection",
                             "--source",
                             "--body",
                             "--paths",
                             "--popularity",
                             "--seed",
                             "-H",
                             "--method",
                             "--timeout",
                             "--http-version",
                             "--until-exhausted",
                             "--stop-on",
                             "--fail-if",
                             "--json",
                             "--csv",
                             "--hgrm",
                             "--report",
                             "--quiet",
                             "--live",
                             "--server-pid",
                             "ports",
                             "merge",
                             "IP_BIND_ADDRESS_NO_PORT",
                             "IP_LOCAL_PORT_RANGE"}) {
    EXPECT_NE(run.out.find(option), std::string::npos) << option;
  }
}

TEST_F(StartTest, version_is_one_line) {
  const Finished run = run_ringload_plainly({"--version"});
  EXPECT_EQ(run.status, (ExitStatus{0, 0}));
  EXPECT_EQ(run.out.find("ringload "), 0U);
  EXPECT_EQ(run.out.find('\n'), run.out.size() - 1);
}

TEST_F(StartTest, a_refusing_server_is_said_at_once) {
  const std::string address = loopback_address_of_this_process() + ":9";
  expect_failed_start(kNoStart, {"http://" + address + "/"}, {address, "ECONNREFUSED"});
}

TEST_F(StartTest, a_missing_unix_socket_is_said_at_once) {
  const std::string path = tree().beside("nobody");
  expect_failed_start(kNoStart, {"unix:" + path + ":/"}, {path, "ENOENT"});
}

TEST_F(StartTest, a_host_without_address_is_named) {
  expect_failed_start(kUsage, {"http://there-is-no-such-host.invalid/"},
                      {"there-is-no-such-host.invalid"});
}

TEST_F(StartTest, a_missing_file_of_paths_is_named) {
  const std::string file = tree().beside("no-paths");
  expect_failed_start(kUsage, {"--paths", file, kUrl}, {"--paths", file, "ENOENT"});
}

TEST_F(StartTest, a_source_that_is_not_ours_is_named) {
  // TEST-NET-1 (RFC 5737) is nobody's.
  const ScriptedServer scripted({send_bytes(ok_reply())});
  expect_failed_start(kUsage, {"--source", "192.0.2.7", scripted.url()},
                      {"192.0.2.7", "EADDRNOTAVAIL"});
}

TEST_F(StartTest, an_output_that_cannot_be_written_is_said_before_the_run) {
  const ScriptedServer scripted({send_bytes(ok_reply())});
  for (const char* option : {"--json", "--csv", "--hgrm", "--report"}) {
    const std::string file = tree().beside("no-directory/out");
    expect_failed_start(kUsage, {option, file, "-d", "60s", scripted.url()}, {file, "ENOENT"});
  }
  EXPECT_EQ(scripted.tally().requests, 0U);
}

TEST_F(StartTest, too_few_descriptors_are_named) {
  const ScriptedServer scripted({send_bytes(ok_reply())});
  const Finished run = run_to_exit({ringload_binary(), "-c", "1000", scripted.url()},
                                   with_open_files_limit(100, 100));
  EXPECT_EQ(run.status, (ExitStatus{kUsage, 0})) << run.err;
  EXPECT_NE(run.err.find("RLIMIT_NOFILE"), std::string::npos) << run.err;
}

}  // namespace
