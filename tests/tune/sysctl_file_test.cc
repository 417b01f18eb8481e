// Files of sysctl.d(5): what counts, what is a mistake, and that no name leads out of /proc/sys.
#include <gtest/gtest.h>

#include "client/tune/conf/sysctl_file.h"
#include "client/tune/conf/values.h"

namespace {

using namespace ringtune;

TEST(SysctlFile, is_read_as_sysctl_d_says) {
  const auto file = parse_sysctl_file(
      "# comment\n; another\n\n"
      "net.ipv4.tcp_rmem = 4096\t131072   33554432 \r\n"
      "  -net/ipv4/tcp_tw_reuse=1\n"
      "net.ipv4.conf.eth0/100.rp_filter=0\n"
      "net.ipv4.ip_local_reserved_ports =\n"
      "net.ipv4.tcp_rmem = 1 2 3");
  ASSERT_TRUE(file.mistakes.empty()) << file.mistakes[0].what;
  ASSERT_EQ(file.assignments.size(), 4U);
  EXPECT_EQ(file.assignments[0].name, "net.ipv4.tcp_tw_reuse");
  EXPECT_EQ(file.assignments[0].path, "net/ipv4/tcp_tw_reuse");
  EXPECT_TRUE(file.assignments[0].may_fail);
  EXPECT_EQ(file.assignments[1].path, "net/ipv4/conf/eth0.100/rp_filter");
  EXPECT_EQ(file.assignments[1].name, "net.ipv4.conf.eth0/100.rp_filter");
  EXPECT_EQ(file.assignments[2].value, "");
  // of a name that is there twice, the last line counts
  EXPECT_EQ(file.assignments[3].value, "1 2 3");
  EXPECT_EQ(file.assignments[3].line, 8U);
  EXPECT_FALSE(file.assignments[3].may_fail);
}

TEST(SysctlFile, names_the_line_of_a_mistake) {
  struct Case {
    std::string text;
    const char* word;
  };
  for (const Case& one :
       {Case{"net.ipv4.tcp_rmem", "no '='"}, Case{"net.ipv4.conf.*.rp_filter = 1", "pattern"},
        Case{"= 1", "no name"}, Case{"tcp_rmem = 1", "with its dots"},
        Case{"net..tcp = 1", "no name"}, Case{"net/../../../etc/passwd = 1", "no name"},
        Case{"net.//.x = 1", "no name"}, Case{"/etc/passwd = 1", "no name"},
        Case{"net.ipv4.tcp rmem = 1", "no name"},
        Case{std::string("net.ipv4.x = 1\x1b[2J"), "control"},
        Case{"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r = 1", "no name"}}) {
    const auto file = parse_sysctl_file("# first\n" + one.text + "\n");
    EXPECT_TRUE(file.assignments.empty()) << one.text;
    ASSERT_EQ(file.mistakes.size(), 1U) << one.text;
    EXPECT_EQ(file.mistakes[0].line, 2U);
    EXPECT_NE(file.mistakes[0].what.find(one.word), std::string::npos) << file.mistakes[0].what;
  }
}

TEST(SysctlFile, never_leads_out_of_proc_sys) {
  // With a dot first, dots and slashes change places: that is how "//" could become "..".
  for (const char* name : {"net.//.//.etc", "a.//.b", ".//.//etc", "net/./x", "a/..", "../a"}) {
    EXPECT_FALSE(path_of_parameter(name)) << name;
  }
  EXPECT_FALSE(path_of_parameter("a/../b"));
  EXPECT_FALSE(path_of_parameter("/etc/passwd"));
  EXPECT_FALSE(path_of_parameter("a///b"));
}

TEST(Values, are_the_same_whatever_the_white_space) {
  EXPECT_TRUE(same_value("net.ipv4.tcp_rmem", "4096\t1\t2", "4096 1  2"));
  EXPECT_FALSE(same_value("net.ipv4.tcp_rmem", "4096 1 2", "4096 12"));
  EXPECT_TRUE(same_value("net.ipv4.ip_local_reserved_ports", "8080-8082", "8081,8080,8082"));
  EXPECT_FALSE(same_value("net.ipv4.ip_local_reserved_ports", "8080-8082", "8080"));
  EXPECT_TRUE(same_value("net.ipv4.ip_local_reserved_ports", "", " "));
}

TEST(Values, are_numbers_only_as_a_whole) {
  EXPECT_EQ(last_number("4096 131072 33554432"), 33554432);
  EXPECT_EQ(first_number("-1"), -1);
  EXPECT_FALSE(first_number("12x"));
  EXPECT_FALSE(last_number(""));
  EXPECT_FALSE(two_numbers("2 1"));
  EXPECT_FALSE(two_numbers("1 2 3"));
}

}  // namespace
