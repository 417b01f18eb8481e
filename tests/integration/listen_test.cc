// Where the server listens: IPv4, IPv6, Unix sockets, several at once; and what it says when it
// cannot. Addresses in use are tried on a loopback address of this process alone.
#include <linux/capability.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "tests/support/server_test.h"

namespace {

using namespace support;

class ListenTest : public ServerTest {
 protected:
  void SetUp() override { tree().fill("page", 1000); }

  ServerProcess& listen_on(std::vector<std::string> addresses) {
    ServerSpec spec;
    spec.listen = std::move(addresses);
    return serve_as(std::move(spec));
  }

  // A start that fails: exit 1, and stderr says all of this.
  void expect_refused(const std::string& address, std::initializer_list<std::string> words,
                      const ChildSetup& setup = nothing_special()) {
    const Finished run = run_ringserve({"--listen", address, tree().root()}, setup);
    EXPECT_EQ(run.status, (ExitStatus{1, 0}));
    EXPECT_NE(run.err.find("ringserve: error: "), std::string::npos) << run.err;
    for (const std::string& word : words) {
      EXPECT_NE(run.err.find(word), std::string::npos) << "no '" << word << "' in: " << run.err;
    }
  }

  void expect_page_from(const Endpoint& endpoint) {
    HttpClient client(endpoint);
    expect_file(client, "page", 1000);
  }

  static bool has_ipv6() { return can_bind(Endpoint::parse("[::1]:0")); }
  static bool exists(const std::string& path) {
    struct stat facts {};
    return ::lstat(path.c_str(), &facts) == 0;
  }
};

TEST_F(ListenTest, port_zero_becomes_a_port_of_its_own) {
  serve();
  EXPECT_EQ(server().endpoint().host, "127.0.0.1");
  EXPECT_GT(server().endpoint().port, 0);
  expect_page_from(server().endpoint());
}

TEST_F(ListenTest, ipv6_is_served) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 on this machine";
  listen_on({"[::1]:0"});
  EXPECT_EQ(server().endpoint().family, AF_INET6);
  expect_page_from(server().endpoint());
}

TEST_F(ListenTest, a_wildcard_is_served) {
  listen_on({"0.0.0.0:0"});
  Endpoint endpoint = server().endpoint();
  endpoint.host = "127.0.0.1";
  expect_page_from(endpoint);
}

TEST_F(ListenTest, ipv4_and_ipv6_share_a_port) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 on this machine";
  listen_on({"0.0.0.0:0"});
  const std::string port = std::to_string(server().endpoint().port);
  stop();
  // [::] is IPv6 alone: otherwise the second bind would find the port taken.
  listen_on({"0.0.0.0:" + port, "[::]:" + port});
  expect_page_from(Endpoint::parse("127.0.0.1:" + port));
  expect_page_from(Endpoint::parse("[::1]:" + port));
}

TEST_F(ListenTest, a_unix_socket_is_served_and_removed) {
  const std::string path = tree().beside("server.sock");
  listen_on({"unix:" + path});
  EXPECT_EQ(server().endpoint().path, path);
  HttpClient client = connect();
  for (int i = 0; i < 100; ++i) expect_file(client, "page", 1000);
  stop();
  EXPECT_FALSE(exists(path)) << "the socket file was left behind";
}

TEST_F(ListenTest, every_send_path_works_on_a_unix_socket) {
  constexpr std::size_t kSize = 3'000'000;
  tree().fill("large", kSize);
  for (const char* path : kSendPaths) {
    SCOPED_TRACE(path);
    ServerSpec spec;
    spec.listen = {"unix:" + tree().beside("server.sock")};
    spec.options = {"--send-path", path};
    serve_as(spec);
    expect_file("large", kSize);
    expect_file("page", 1000);
    stop();
  }
}

TEST_F(ListenTest, several_listeners_serve_the_same_files) {
  std::vector<std::string> addresses{"127.0.0.1:0", loopback_address_of_this_process() + ":0",
                                     "unix:" + tree().beside("server.sock")};
  if (has_ipv6()) addresses.push_back("[::1]:0");
  listen_on(addresses);
  for (std::size_t i = 0; i < addresses.size(); ++i) expect_page_from(server().endpoint(i));
}

TEST_F(ListenTest, an_address_in_use_is_named_with_its_process) {
  Endpoint taken = Endpoint::parse(loopback_address_of_this_process() + ":0");
  const UniqueFd holder = listen_at(taken);
  expect_refused(taken.text(), {taken.text(), "EADDRINUSE", std::to_string(::getpid())});
}

TEST_F(ListenTest, two_servers_do_not_share_an_address) {
  listen_on({loopback_address_of_this_process() + ":0"});
  const std::string address = server().endpoint().text();
  expect_refused(address, {address, "EADDRINUSE", "ringserve", std::to_string(server().pid())});
  expect_page_from(server().endpoint());
}

TEST_F(ListenTest, an_address_that_is_not_local_is_named) {
  // TEST-NET-1: nobody's address.
  expect_refused("192.0.2.1:8080", {"192.0.2.1:8080", "EADDRNOTAVAIL"});
}

TEST_F(ListenTest, a_port_without_permission_is_named) {
  std::ifstream sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  int first_free = 1024;
  sysctl >> first_free;
  constexpr int kPort = 81;
  if (first_free <= kPort) {
    GTEST_SKIP() << "net.ipv4.ip_unprivileged_port_start is " << first_free;
  }
  const std::string address = "127.0.0.1:" + std::to_string(kPort);
  expect_refused(address, {address, "EACCES"}, without_capabilities({CAP_NET_BIND_SERVICE}));
}

TEST_F(ListenTest, one_bad_listener_among_good_ones_fails_the_start) {
  const std::string path = tree().beside("server.sock");
  const Finished run =
      run_ringserve({"--listen", "unix:" + path, "--listen", "192.0.2.1:8080", tree().root()});
  EXPECT_EQ(run.status, (ExitStatus{1, 0}));
  EXPECT_NE(run.err.find("192.0.2.1:8080"), std::string::npos) << run.err;
  EXPECT_FALSE(exists(path)) << "a failed start left its socket behind";
}

TEST_F(ListenTest, a_stale_unix_socket_is_replaced) {
  Endpoint stale = Endpoint::parse("unix:" + tree().beside("server.sock"));
  listen_at(stale).reset();  // closed: nobody listens, the file stays
  ASSERT_TRUE(exists(stale.path));
  listen_on({stale.text()});
  expect_page_from(server().endpoint());
}

TEST_F(ListenTest, the_socket_of_a_killed_server_is_replaced) {
  const std::string address = "unix:" + tree().beside("server.sock");
  listen_on({address});
  const Endpoint endpoint = server().endpoint();
  expect_exit({-1, SIGKILL});
  server().signal(SIGKILL);
  stop();
  expect_exit({0, 0});
  // The kernel takes a ring apart after the death of its process: the listener lives on in it.
  wait_until_refused(endpoint);
  ASSERT_TRUE(exists(endpoint.path));
  listen_on({address});
  expect_page_from(server().endpoint());
}

TEST_F(ListenTest, a_live_unix_socket_is_an_address_in_use) {
  listen_on({"unix:" + tree().beside("server.sock")});
  expect_refused(server().endpoint().text(), {server().endpoint().path, "EADDRINUSE"});
  EXPECT_TRUE(exists(server().endpoint().path));
  expect_page_from(server().endpoint());
}

TEST_F(ListenTest, a_file_that_is_no_socket_is_never_removed) {
  const std::string path = tree().outside("precious", "precious");
  expect_refused("unix:" + path, {path});
  std::ifstream file(path);
  std::string content;
  file >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(ListenTest, a_unix_socket_in_a_missing_directory_is_named) {
  const std::string path = tree().beside("missing/server.sock");
  expect_refused("unix:" + path, {path, "ENOENT"});
}

}  // namespace
