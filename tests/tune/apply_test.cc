// `ringtune emit`, `diff` and `apply`: the round trip, the way back, and that it is all or nothing.
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tune/private_host.h"

namespace {

using namespace support;

constexpr const char* kExpect = "connections=500,new_per_s=2000,loopback";

class Apply : public PrivateHostTest {
 protected:
  std::string read(const std::string& name) const { return read_text(files_.path(name)); }
};

TEST_F(Apply, makes_the_round_trip_with_emit_diff_and_back) {
  plant("net.ipv4.ip_local_port_range", "40000 40099");
  plant("net.core.somaxconn", "4");
  const Finished emitted = ringtune({"emit", "--for", "load", "--expect", kExpect});
  ASSERT_EQ(emitted.status, kDone) << emitted.err;
  const std::string conf = file(emitted.out);
  EXPECT_EQ(ringtune({"diff", conf}).status, kFound);

  const Finished dry = ringtune({"apply", conf, "--dry-run"});
  EXPECT_EQ(dry.status, kDone) << dry.err;
  EXPECT_NE(dry.out.find("40000 40099 -> 32768 60999"), std::string::npos) << dry.out;
  EXPECT_EQ(now("net.core.somaxconn"), "4");

  const Finished applied = ringtune({"apply", conf, "--yes"});
  ASSERT_EQ(applied.status, kDone) << applied.err;
  EXPECT_EQ(now("net.ipv4.ip_local_port_range"), "32768 60999");
  EXPECT_EQ(ringtune({"diff", conf}).status, kDone);
  const Finished again = ringtune({"emit", "--for", "load", "--expect", kExpect});
  EXPECT_EQ(again.out.find("\nnet.ipv4.ip_local_port_range"), std::string::npos) << again.out;
  EXPECT_EQ(again.out.find("\nnet.core.somaxconn"), std::string::npos) << again.out;

  // Back: it lowers, which takes a word more.
  const std::string undo = conf + ".undo";
  EXPECT_EQ(ringtune({"apply", undo, "--yes"}).status, kTrouble);
  const Finished back = ringtune({"apply", undo, "--yes", "--anyway"});
  EXPECT_EQ(back.status, kDone) << back.err;
  EXPECT_EQ(now("net.ipv4.ip_local_port_range"), "40000 40099");
  EXPECT_EQ(now("net.core.somaxconn"), "4");
}

TEST_F(Apply, takes_everything_back_when_one_value_is_refused) {
  const std::string before = now("net.ipv4.tcp_fin_timeout");
  const std::string file_max = now("fs.file-max");
  struct Case {
    const char* line;
    const char* error;
  };
  // The kernel knows no such mode; and what is the host's may only be read here.
  for (const Case& one : {Case{"net.ipv4.tcp_tw_reuse = 7", "EINVAL"},
                          Case{"fs.file-max = 9223372036854775807", "EROFS"}}) {
    const std::string conf = file(std::string("net.ipv4.tcp_fin_timeout = 99\n") + one.line);
    const Finished run = ringtune({"apply", conf, "--yes"});
    EXPECT_EQ(run.status, kTrouble);
    EXPECT_NE(run.err.find(one.error), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("everything is as it was (1 taken back)"), std::string::npos) << run.err;
    EXPECT_EQ(now("net.ipv4.tcp_fin_timeout"), before);
    EXPECT_FALSE(has_file("90-test.conf.undo"));
  }
  EXPECT_EQ(now("fs.file-max"), file_max);
}

TEST_F(Apply, goes_on_where_a_minus_allows_a_failure) {
  const std::string conf = file(
      "-net.ipv4.tcp_tw_reuse = 7\n-net.ipv4.there_is_none = 1\nnet.ipv4.tcp_fin_timeout = 99");
  const Finished run = ringtune({"apply", conf, "--yes"});
  EXPECT_EQ(run.status, kDone) << run.err;
  EXPECT_NE(run.out.find("left out"), std::string::npos) << run.out;
  EXPECT_EQ(now("net.ipv4.tcp_fin_timeout"), "99");
}

TEST_F(Apply, refuses_folklore_and_what_lowers_a_maximum) {
  const std::string rmem = now("net.ipv4.tcp_rmem");
  struct Case {
    const char* line;
    const char* word;
  };
  for (const Case& one : {Case{"net.ipv4.tcp_tw_recycle = 1", "4.12"},
                          Case{"net.ipv4.tcp_fin_timeout = 15", "TIME_WAIT"},
                          Case{"net.ipv4.tcp_timestamps = 0", "tcp_tw_reuse stops"},
                          Case{"net.ipv4.tcp_rmem = 4096 87380 131072", "lowers"},
                          Case{"net.ipv4.tcp_adv_win_scale = 2", "6.6"}}) {
    const std::string conf = file(one.line);
    const Finished diff = ringtune({"diff", conf});
    EXPECT_EQ(diff.status, kFound) << one.line;
    EXPECT_NE(diff.out.find(one.word), std::string::npos) << diff.out;
    const Finished run = ringtune({"apply", conf, "--yes"});
    EXPECT_EQ(run.status, kTrouble) << one.line;
    EXPECT_NE(run.err.find(one.word), std::string::npos) << run.err;
    EXPECT_FALSE(has_file("90-test.conf.undo"));
  }
  EXPECT_EQ(now("net.ipv4.tcp_rmem"), rmem);
}

TEST_F(Apply, does_nothing_with_a_file_it_does_not_understand) {
  const std::string before = now("net.ipv4.tcp_fin_timeout");
  for (const char* line : {"net.ipv4.tcp_tw_reuse", "net.ipv4.conf.*.rp_filter = 1",
                           "net/../../etc/passwd = x", "net.ipv4.tcp_fin_timout = 5"}) {
    const std::string conf = file(std::string("net.ipv4.tcp_fin_timeout = 99\n") + line);
    const Finished run = ringtune({"apply", conf, "--yes"});
    EXPECT_EQ(run.status, kTrouble) << line;
    EXPECT_NE(run.err.find("2:"), std::string::npos) << run.err;
    EXPECT_EQ(now("net.ipv4.tcp_fin_timeout"), before) << line;
  }
  const Finished near = ringtune({"diff", file("net.ipv4.tcp_fin_timout = 5")});
  EXPECT_NE(near.out.find("did you mean net.ipv4.tcp_fin_timeout?"), std::string::npos) << near.out;
}

TEST_F(Apply, never_overwrites_a_way_back) {
  files_.write("90-test.conf.undo", "an older one");
  const std::string before = now("net.ipv4.tcp_fin_timeout");
  const Finished run = ringtune({"apply", file("net.ipv4.tcp_fin_timeout = 99"), "--yes"});
  EXPECT_EQ(run.status, kTrouble);
  EXPECT_NE(run.err.find("EEXIST"), std::string::npos) << run.err;
  EXPECT_EQ(now("net.ipv4.tcp_fin_timeout"), before);
  EXPECT_EQ(read("90-test.conf.undo"), "an older one");
}

TEST_F(Apply, asks_nobody_where_there_is_no_terminal) {
  const Finished run = ringtune({"apply", file("net.ipv4.tcp_fin_timeout = 99")});
  EXPECT_EQ(run.status, kTrouble);
  EXPECT_NE(run.err.find("--yes"), std::string::npos) << run.err;
}

// The exit status of apply on a terminal where `answer` is typed.
int answered(const std::string& conf, const std::string& answer) {
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    const std::string program = ringtune_binary();
    ::execl(program.c_str(), program.c_str(), "apply", conf.c_str(), nullptr);
    ::_exit(127);
  }
  EXPECT_EQ(::write(terminal, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
  char shown[4096];
  while (::read(terminal, shown, sizeof shown) > 0) {
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  ::close(terminal);
  return WEXITSTATUS(status);
}

TEST_F(Apply, asks_on_a_terminal_and_takes_no_for_an_answer) {
  const std::string conf = file("net.ipv4.tcp_fin_timeout = 99");
  EXPECT_EQ(answered(conf, "\n"), kTrouble.code);
  EXPECT_NE(now("net.ipv4.tcp_fin_timeout"), "99");
  EXPECT_EQ(answered(conf, "y\n"), kDone.code);
  EXPECT_EQ(now("net.ipv4.tcp_fin_timeout"), "99");
}

TEST_F(Apply, empties_a_list_of_ports) {
  plant("net.ipv4.ip_local_reserved_ports", "8080,9000-9010");
  const Finished run = ringtune({"apply", file("net.ipv4.ip_local_reserved_ports ="), "--yes"});
  EXPECT_EQ(run.status, kDone) << run.err;
  EXPECT_EQ(now("net.ipv4.ip_local_reserved_ports"), "");
}

std::string measured_json(const std::string& name, const std::string& value,
                          const std::string& verdict) {
  return R"({"ringtune": "0.1.0", "format": 1, "command": "measure", "kernel": "6.18.1",
             "workload": "churn", "control": {"ratio": 1.0, "low": 0.99, "high": 1.01},
             "parameters": [{"name": ")" +
         name + R"(", "baseline": "1", "values": [{"value": ")" + value +
         R"(", "ratio": 1.5, "low": 1.4, "high": 1.6, "verdict": ")" + verdict + R"("}]}]})";
}

TEST_F(Apply, sets_what_was_measured_to_be_better_and_nothing_else) {
  const auto emitted = [&](const std::string& json) {
    files_.write("measured.json", json);
    return ringtune({"emit", "--from", files_.path("measured.json")});
  };
  const Finished better = emitted(measured_json("net.ipv4.tcp_tw_reuse", "1", "better"));
  EXPECT_EQ(better.status, kDone) << better.err;
  EXPECT_NE(better.out.find("\nnet.ipv4.tcp_tw_reuse = 1\n"), std::string::npos) << better.out;
  EXPECT_NE(better.out.find("1.50 [1.40, 1.60], better"), std::string::npos) << better.out;
  EXPECT_EQ(ringtune({"apply", file(better.out), "--yes"}).status, kDone);
  EXPECT_EQ(ringtune({"diff", file(better.out)}).status, kDone);

  for (const char* verdict : {"worse", "no difference"}) {
    const Finished other = emitted(measured_json("net.ipv4.tcp_sack", "0", verdict));
    EXPECT_EQ(other.out.find("\nnet.ipv4.tcp_sack"), std::string::npos) << other.out;
    EXPECT_NE(other.out.find("is left alone"), std::string::npos) << other.out;
  }
  // Of too few pairs an end is null; of a noisy machine nothing is believed.
  std::string few = measured_json("net.ipv4.tcp_tw_reuse", "1", "no difference");
  few.replace(few.find("1.4"), 3, "null");
  EXPECT_NE(emitted(few).out.find("1.50 [?, 1.60]"), std::string::npos);
  std::string noisy = measured_json("net.ipv4.tcp_tw_reuse", "0", "better");
  noisy.replace(noisy.find("{"), 1, "{\"noisy\": true, ");
  const Finished unbelieved = emitted(noisy);
  EXPECT_EQ(unbelieved.status, kDone) << unbelieved.err;
  EXPECT_EQ(unbelieved.out.find("\nnet.ipv4.tcp_tw_reuse"), std::string::npos) << unbelieved.out;

  const Finished lower = emitted(measured_json("net.core.somaxconn", "4", "better"));
  EXPECT_EQ(lower.out.find("\nnet.core.somaxconn"), std::string::npos) << lower.out;
  EXPECT_NE(lower.out.find("would lower"), std::string::npos) << lower.out;
  const Finished refused = emitted(measured_json("net.ipv4.tcp_timestamps", "0", "better"));
  EXPECT_EQ(refused.out.find("\nnet.ipv4.tcp_timestamps"), std::string::npos) << refused.out;

  for (const std::string& wrong :
       {std::string("{"), std::string("{}"), measured_json("/etc/passwd", "1", "better"),
        measured_json("net.ipv4.tcp_sack", "1\\nkernel.modprobe = x", "better")}) {
    const Finished run = emitted(wrong);
    EXPECT_EQ(run.status, kTrouble) << wrong;
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err.find("measured.json"), std::string::npos) << run.err;
  }
}

}  // namespace
