// The catalogue against what can be checked of it: the notes that it names, and the running kernel.
#include "client/tune/catalogue/catalogue.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>

#include "client/tune/check/machine.h"
#include "client/tune/conf/sysctl_file.h"
#include "client/tune/conf/values.h"
#include "tests/tune/private_host.h"

namespace {

using namespace ringtune;

std::string text_of(const std::string& path) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(Catalogue, covers_what_people_ask_about) {
  std::set<std::string> names;
  for (const Parameter& parameter : catalogue()) {
    EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name << " is there twice";
    EXPECT_GT(parameter.does.size(), 40U) << parameter.name;
    EXPECT_LE(parameter.brief.size(), 80U) << parameter.name;
  }
  for (const char* name : {"ip_local_port_range",
                           "ip_local_reserved_ports",
                           "tcp_tw_reuse",
                           "tcp_tw_reuse_delay",
                           "tcp_max_tw_buckets",
                           "tcp_fin_timeout",
                           "somaxconn",
                           "tcp_max_syn_backlog",
                           "tcp_syncookies",
                           "tcp_abort_on_overflow",
                           "tcp_rmem",
                           "tcp_wmem",
                           "tcp_notsent_lowat",
                           "tcp_slow_start_after_idle",
                           "tcp_congestion_control",
                           "tcp_keepalive_time",
                           "tcp_keepalive_intvl",
                           "tcp_keepalive_probes",
                           "tcp_retries2",
                           "tcp_timestamps",
                           "tcp_fastopen",
                           "netdev_max_backlog",
                           "file-max",
                           "RLIMIT_NOFILE",
                           "pipe-max-size",
                           "pipe-user-pages-soft",
                           "io_uring_disabled",
                           "dirty_ratio",
                           "tcp_tw_recycle"}) {
    EXPECT_NE(find_parameter(name), nullptr) << name;
  }
}

TEST(Catalogue, names_notes_and_experiments_that_are_there) {
  const std::string notes = RINGSERVE_SOURCE_DIR "/kernel-notes/";
  for (const Parameter& parameter : catalogue()) {
    if (parameter.note.empty()) {
      EXPECT_EQ(parameter.experiment, "") << parameter.name;
      continue;
    }
    const std::string note = text_of(notes + parameter.note + ".md");
    EXPECT_NE(note, "") << parameter.name << " names " << parameter.note;
    if (parameter.experiment.empty()) continue;
    EXPECT_NE(note.find("`" + parameter.experiment + "`"), std::string::npos)
        << parameter.name << ": no row of " << parameter.note << " has " << parameter.experiment;
    const size_t dot = parameter.experiment.find('.');
    const std::string test = "TEST_F(" + parameter.experiment.substr(0, dot) + ", " +
                             parameter.experiment.substr(dot + 1) + ")";
    EXPECT_NE(text_of(notes + parameter.note + "_test.cc").find(test), std::string::npos) << test;
  }
}

TEST(Catalogue, finds_by_the_end_of_a_name_and_suggests_what_is_near) {
  ASSERT_NE(find_parameter("tcp_tw_reuse"), nullptr);
  EXPECT_EQ(find_parameter("tcp_tw_reuse")->name, "net.ipv4.tcp_tw_reuse");
  EXPECT_EQ(find_parameter("/proc/sys/net/core/somaxconn")->name, "net.core.somaxconn");
  EXPECT_EQ(find_parameter("tcp_tw"), nullptr);
  EXPECT_EQ(near_parameter("tcp_tw_resue"), "net.ipv4.tcp_tw_reuse");
  EXPECT_EQ(near_parameter("net.core.somaxcon"), "net.core.somaxconn");
  EXPECT_EQ(near_parameter("net.ipv4.somaxconn"), "net.core.somaxconn");
  EXPECT_EQ(near_parameter("something else entirely"), "");
}

TEST(Catalogue, refuses_by_value_and_by_direction) {
  const Parameter& timestamps = *find_parameter("tcp_timestamps");
  EXPECT_NE(refusal_of(timestamps, "1", "0"), nullptr);
  EXPECT_EQ(refusal_of(timestamps, "1", "2"), nullptr);
  const Parameter& fin_timeout = *find_parameter("tcp_fin_timeout");
  EXPECT_NE(refusal_of(fin_timeout, "60", "15"), nullptr);
  EXPECT_EQ(refusal_of(fin_timeout, "60", "90"), nullptr);
  EXPECT_NE(refusal_of(*find_parameter("tcp_mem"), "1 2 3", "9 9 9"), nullptr);
  EXPECT_TRUE(lowers(*find_parameter("tcp_rmem"), "4096 131072 33554432", "4096 131072 16777216"));
  EXPECT_FALSE(lowers(*find_parameter("tcp_rmem"), "4096 131072 33554432", "1 1 67108864"));
  EXPECT_TRUE(lowers(*find_parameter("ip_local_port_range"), "32768 60999", "40000 40099"));
  EXPECT_FALSE(lowers(*find_parameter("ip_local_port_range"), "32768 60999", "1024 65535"));
  EXPECT_FALSE(lowers(*find_parameter("tcp_tw_reuse"), "2", "1"));
}

constexpr KernelVersion kDescribed{6, 18};  // what the catalogue has been compared with

class CatalogueOnThisKernel : public PrivateHostTest {
 protected:
  static KernelVersion running() {
    utsname names{};
    EXPECT_EQ(::uname(&names), 0);
    return version_of(names.release);
  }
};

// In a fresh network namespace, as its root: what can be opened for writing is the namespace's.
TEST_F(CatalogueOnThisKernel, says_rightly_what_belongs_to_a_namespace) {
  if (running() > kDescribed) GTEST_SKIP() << "a later Linux may have given more to namespaces";
  for (const Parameter& parameter : catalogue()) {
    const auto path = path_of_parameter(parameter.name);
    if (parameter.name.rfind("net.", 0) != 0 || !path) continue;  // the others have no network's
    const std::string full = "/proc/sys/" + *path;
    if (::access(full.c_str(), F_OK) != 0) continue;  // another kernel, or not in a namespace
    const net::OwnedFd opened(::open(full.c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(opened.valid(), parameter.scope == Scope::network) << parameter.name;
  }
}

TEST_F(CatalogueOnThisKernel, says_rightly_what_the_kernel_sets_by_itself) {
  // What is copied from the host is its administrator's and not the kernel's.
  const std::set<std::string> copied = {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"};
  if (running() != kDescribed) GTEST_SKIP() << "the defaults are those of Linux 6.18";
  const auto machine = look_at_machine();
  ASSERT_TRUE(machine) << machine.error().message();
  size_t compared = 0;
  for (const Parameter& parameter : catalogue()) {
    const auto found = machine->values.find(parameter.name);
    if (parameter.scope != Scope::network || parameter.default_value.empty() ||
        copied.count(parameter.name) != 0 || found == machine->values.end()) {
      continue;
    }
    EXPECT_EQ(found->second, parameter.default_value) << parameter.name;
    ++compared;
  }
  EXPECT_GT(compared, 20U);
}

}  // namespace
