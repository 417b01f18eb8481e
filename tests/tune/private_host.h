// A test in a network, a user and a mount namespace of its own, where ringtune is root and changes
// nothing of the machine. Skipped where such namespaces may not be made.
//
// The user namespace alone would not do: whoever is root outside of it still owns the files of
// /proc/sys/fs, kernel and vm, and may write them. So those are read-only here.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "common/net/owned_fd.h"
#include "common/net/private_network.h"
#include "common/net/sysctl.h"
#include "tests/support/temp_tree.h"
#include "tests/tune/tune_command.h"

class PrivateHostTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // One user namespace for all tests of a process: they nest, 32 deep at most.
    static const net::Status user = net::enter_private_user();
    const net::Status status = user ? net::enter_private_network() : user;
    if (!status) GTEST_SKIP() << status.error().message();
    static const net::Status guarded = net::make_machine_parameters_read_only();
    if (!guarded) GTEST_SKIP() << guarded.error().message();
    const net::Status written = net::write_sysctl("net.ipv4.tcp_fin_timeout", "60");
    if (!written) GTEST_SKIP() << written.error().message();  // /proc/sys of a container
  }

  static void plant(const std::string& name, const std::string& value) {
    const net::Status status = net::write_sysctl(name, value);
    ASSERT_TRUE(status) << status.error().message();
  }
  // With single spaces.
  static std::string now(const std::string& name) {
    auto text = net::read_sysctl(name).value_or("unreadable");
    for (char& letter : text) letter = letter == '\t' ? ' ' : letter;
    return text;
  }
  std::string file(const std::string& text) {
    files_.write("90-test.conf", text);
    return files_.path("90-test.conf");
  }
  bool has_file(const std::string& name) const {
    return ::access(files_.path(name).c_str(), F_OK) == 0;
  }

  support::TempTree files_;
};
