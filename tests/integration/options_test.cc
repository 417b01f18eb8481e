// The command line. A wrong one ends with exit 2 and names what is wrong; a root that cannot be
// served ends with exit 1 and says why; what is right is in the help.
#include "tests/support/server_test.h"

namespace {

using namespace support;

class OptionsTest : public ServerTest {
 protected:
  void expect_says(const Finished& run, std::initializer_list<std::string> words) {
    for (const std::string& word : words) {
      EXPECT_NE(run.err.find(word), std::string::npos) << "no '" << word << "' in: " << run.err;
    }
  }

  void expect_usage_error(std::vector<std::string> arguments,
                          std::initializer_list<std::string> words) {
    const Finished run = run_ringserve(std::move(arguments));
    EXPECT_EQ(run.status, (ExitStatus{2, 0})) << run.err;
    EXPECT_EQ(run.out, "");
    expect_says(run, words);
  }

  void expect_failed_start(const std::string& root, std::initializer_list<std::string> words,
                           const ChildSetup& setup = nothing_special()) {
    const Finished run = run_ringserve({"--listen", "127.0.0.1:0", root}, setup);
    EXPECT_EQ(run.status, (ExitStatus{1, 0})) << run.err;
    EXPECT_NE(run.err.find("ringserve: error: "), std::string::npos) << run.err;
    expect_says(run, words);
  }
};

TEST_F(OptionsTest, help_names_every_option) {
  const Finished run = run_ringserve({"--help"});
  EXPECT_EQ(run.status, (ExitStatus{0, 0}));
  for (const char* option : {"--listen",
                             "--threads",
                             "--send-path",
                             "--cork",
                             "--index",
                             "--follow-symlinks",
                             "--hidden",
                             "--memory-cache",
                             "--open-files",
                             "--max-connections",
                             "--max-connections-per-address",
                             "--max-requests-per-connection",
                             "--request-rate-per-address",
                             "--request-burst-per-address",
                             "--min-send-rate",
                             "--fair-share",
                             "--drain-timeout-s",
                             "--print-listen",
                             "--user",
                             "--sandbox",
                             "--close",
                             "--header-timeout-s",
                             "--idle-timeout-s",
                             "--send-timeout-s",
                             "--tuning",
                             "--print-tuning",
                             "--version",
                             "--help",
                             "ROOT"}) {
    EXPECT_NE(run.out.find(option), std::string::npos) << option;
  }
  for (const char* path : kSendPaths) EXPECT_NE(run.out.find(path), std::string::npos) << path;
}

TEST_F(OptionsTest, version_is_one_line) {
  const Finished run = run_ringserve({"--version"});
  EXPECT_EQ(run.status, (ExitStatus{0, 0}));
  EXPECT_EQ(run.out.substr(0, 10), "ringserve ");
  EXPECT_EQ(run.out.find('\n'), run.out.size() - 1);
}

TEST_F(OptionsTest, an_unknown_option_suggests_the_near_one) {
  expect_usage_error({"--trheads", "2", tree().root()},
                     {"unknown option '--trheads'", "did you mean '--threads'?"});
  expect_usage_error({"--send-paht=auto", tree().root()}, {"did you mean '--send-path'?"});
  expect_usage_error({"--listne", "127.0.0.1:0", tree().root()}, {"did you mean '--listen'?"});
}

TEST_F(OptionsTest, an_option_like_nothing_is_unknown_without_a_guess) {
  const Finished run = run_ringserve({"--xylophone-quartet", tree().root()});
  EXPECT_EQ(run.status, (ExitStatus{2, 0}));
  expect_says(run, {"unknown option '--xylophone-quartet'"});
  EXPECT_EQ(run.err.find("did you mean"), std::string::npos) << run.err;
}

TEST_F(OptionsTest, no_root_is_a_usage_error) { expect_usage_error({}, {"ROOT", "--config"}); }

TEST_F(OptionsTest, two_roots_are_a_usage_error) {
  expect_usage_error({tree().root(), tree().root()}, {});
}

struct BadOption {
  const char* option;
  const char* value;
};
void PrintTo(const BadOption& bad, std::ostream* out) { *out << bad.option << "=" << bad.value; }

class BadValue : public OptionsTest, public ::testing::WithParamInterface<BadOption> {
 protected:
  // With a root behind it, exit 2 and a message that shows the option or what was wrong with it.
  void expect_refused_with_root(const std::string& root) {
    const std::string option = GetParam().option;
    const std::string value = GetParam().value;
    // A value that is accepted after all must not take a port that others use.
    std::vector<std::string> arguments{"--listen=127.0.0.1:0"};
    if (option == "--listen") arguments.clear();
    if (value.empty()) {
      arguments.insert(arguments.end(), {option, "", root});
    } else {
      arguments.insert(arguments.end(), {option + "=" + value, root});
    }
    const Finished run = run_ringserve(arguments);
    EXPECT_EQ(run.status, (ExitStatus{2, 0})) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_TRUE(run.err.find(option) != std::string::npos ||
                run.err.find("'" + value + "'") != std::string::npos)
        << run.err;
  }
};

TEST_P(BadValue, is_a_usage_error) { expect_refused_with_root(tree().root()); }

TEST_P(BadValue, is_found_before_the_root_is_looked_at) {
  expect_refused_with_root(tree().path("absent"));
}

INSTANTIATE_TEST_SUITE_P(
    options, BadValue,
    ::testing::Values(
        BadOption{"--threads", "0"}, BadOption{"--threads", "-1"}, BadOption{"--threads", "many"},
        BadOption{"--threads", "2x"}, BadOption{"--threads", "1000000"}, BadOption{"--threads", ""},
        BadOption{"--threads", "1.5"}, BadOption{"--threads", "18446744073709551617"},
        BadOption{"--send-path", "teleport"}, BadOption{"--send-path", ""},
        BadOption{"--cork", "champagne"}, BadOption{"--follow-symlinks", "sometimes"},
        BadOption{"--memory-cache", "64XB"}, BadOption{"--memory-cache", "-1"},
        BadOption{"--memory-cache", "lots"}, BadOption{"--memory-cache", "1e999"},
        BadOption{"--memory-cache", "99999999999999999999"}, BadOption{"--open-files", "-5"},
        BadOption{"--open-files", "few"}, BadOption{"--max-connections", "0"},
        BadOption{"--max-connections", "-1"}, BadOption{"--max-connections", "10000000000000"},
        BadOption{"--max-connections-per-address", "-1"},
        BadOption{"--max-connections-per-address", "few"},
        BadOption{"--max-requests-per-connection", "1.5"},
        BadOption{"--max-requests-per-connection", "1000000001"},
        BadOption{"--request-rate-per-address", "0.5"},
        BadOption{"--request-rate-per-address", "1000001"},
        BadOption{"--request-burst-per-address", "-1"}, BadOption{"--min-send-rate", "2GiB"},
        BadOption{"--min-send-rate", "-1"}, BadOption{"--drain-timeout-s", "-1"},
        BadOption{"--drain-timeout-s", "soon"}, BadOption{"--drain-timeout-s", "99999999999"},
        BadOption{"--header-timeout-s", "0"}, BadOption{"--header-timeout-s", "-1"},
        BadOption{"--idle-timeout-s", "x"}, BadOption{"--send-timeout-s", "-1"},
        BadOption{"--listen", "nonsense"}, BadOption{"--listen", "127.0.0.1"},
        BadOption{"--listen", "127.0.0.1:"}, BadOption{"--listen", "127.0.0.1:65536"},
        BadOption{"--listen", "127.0.0.1:-1"}, BadOption{"--listen", "127.0.0.1:http"},
        BadOption{"--listen", "127.0.0.256:80"}, BadOption{"--listen", "::1:80:"},
        BadOption{"--listen", "[::1:80"}, BadOption{"--listen", "[::g]:80"},
        BadOption{"--listen", "unix:relative.sock"}, BadOption{"--listen", "unix:"},
        BadOption{"--index", "a/b"}, BadOption{"--index", ""}, BadOption{"--autoindex", "maybe"},
        BadOption{"--fair-share", "half"}, BadOption{"--precompressed", "zip"},
        BadOption{"--etag", "md5"}, BadOption{"--error-page", "200=ok.html"},
        BadOption{"--error-page", "404=../x"}, BadOption{"--fallback", "a/../b"},
        BadOption{"--header", "Content-Length: 3"}, BadOption{"--header", "X: a\r\nY: b"},
        BadOption{"--cache-control", "*.css"}, BadOption{"--cors", "https://a/b"},
        BadOption{"--redirect", "/old=//evil.example"}, BadOption{"--media-type", "wasm"},
        BadOption{"--charset", "utf 8"}, BadOption{"--access-log-format", "xml"},
        BadOption{"--access-log", ""}, BadOption{"--admin", "0.0.0.0:9100"},
        BadOption{"--admin", "nonsense"}, BadOption{"--config", ""}, BadOption{"--close", "never"},
        BadOption{"--close", ""}, BadOption{"--sandbox", "maybe"}, BadOption{"--user", ""},
        BadOption{"--user", "root"}, BadOption{"--user", "no-such-user"},
        BadOption{"--user", "nobody:no-such-group"}, BadOption{"--user", "4242424242"}),
    [](const ::testing::TestParamInfo<BadOption>& each) {
      return as_identifier(std::string(each.param.option).substr(2)) + "_" +
             std::to_string(each.index);
    });

TEST_F(OptionsTest, a_unix_path_too_long_for_a_socket_is_a_usage_error) {
  expect_usage_error({"--listen=unix:/" + std::string(200, 'x'), tree().root()}, {"unix:/xxx"});
}

TEST_F(OptionsTest, sizes_take_units) {
  tree().fill("page", 1000);
  for (const char* size : {"0", "1000000", "512KiB", "1MiB", "1GiB"}) {
    SCOPED_TRACE(size);
    serve({"--memory-cache", size});
    expect_file("page", 1000);
    stop();
  }
}

TEST_F(OptionsTest, a_value_said_twice_is_a_usage_error) {
  expect_usage_error({"--threads=1", "--threads=2", tree().root()}, {"--threads"});
}

TEST_F(OptionsTest, values_may_follow_an_equals_sign_or_a_space) {
  tree().fill("page", 1000);
  serve({"--threads=1", "--send-path=splice", "--drain-timeout-s", "3"});
  expect_file("page", 1000);
}

TEST_F(OptionsTest, threads_is_the_number_of_workers) {
  serve({"--threads", "1"});
  const std::size_t with_one = thread_count(server().pid());
  stop();
  serve({"--threads", "4"});
  EXPECT_EQ(thread_count(server().pid()), with_one + 3);
}

TEST_F(OptionsTest, a_worker_for_each_cpu_that_may_be_used_is_the_default) {
  serve({"--threads", "1"});
  const std::size_t with_one = thread_count(server().pid());
  stop();
  ServerSpec spec;
  spec.setup = on_one_cpu();
  serve_as(spec);
  EXPECT_EQ(thread_count(server().pid()), with_one);
}

TEST_F(OptionsTest, a_missing_root_is_named) {
  expect_failed_start(tree().path("absent"), {tree().path("absent"), "ENOENT"});
}

TEST_F(OptionsTest, a_root_that_is_a_file_is_named) {
  tree().write("file", "x");
  expect_failed_start(tree().path("file"), {tree().path("file"), "ENOTDIR"});
}

TEST_F(OptionsTest, an_unreadable_root_is_named) {
  tree().directory("closed");
  tree().mode("closed", 0);
  expect_failed_start(tree().path("closed"), {tree().path("closed"), "EACCES"},
                      obeying_file_modes());
}

TEST_F(OptionsTest, a_root_behind_an_unreadable_directory_is_named) {
  tree().directory("closed/root");
  tree().mode("closed", 0);
  expect_failed_start(tree().path("closed/root"), {tree().path("closed/root"), "EACCES"},
                      obeying_file_modes());
  tree().mode("closed", 0755);
}

TEST_F(OptionsTest, nothing_is_printed_on_stdout_unless_asked_for) {
  tree().fill("page", 1000);
  const std::string socket = tree().beside("quiet.sock");
  ChildProcess quiet({ringserve_binary(), "--listen", "unix:" + socket, tree().root()});
  ASSERT_TRUE(quiet.err().wait_until(
      [&](const std::string& text) { return text.find(socket) != std::string::npos; }, Deadline()));
  quiet.signal(SIGTERM);
  EXPECT_EQ(quiet.wait_for_exit(), (ExitStatus{0, 0}));
  EXPECT_EQ(quiet.out().whole(), "");
}

}  // namespace
