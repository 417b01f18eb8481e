// A machine that does not let the server have its ring. The start fails at once, and the message
// says which call, which error, and what the reader can do about it.
#include <linux/io_uring.h>
#include <sys/syscall.h>

#include <cerrno>

#include "tests/support/server_test.h"

namespace {

using namespace support;

class RingFaults : public ServerTest {
 protected:
  Finished start_with(const ChildSetup& setup) {
    return run_ringserve({"--listen", "127.0.0.1:0", "--print-listen", tree().root()}, setup);
  }

  void expect_refused_start(const Finished& run, std::initializer_list<const char*> words) {
    EXPECT_EQ(run.status, (ExitStatus{1, 0}));
    EXPECT_EQ(run.out, "") << "it claimed to listen";
    EXPECT_NE(run.err.find("ringserve: error: "), std::string::npos) << run.err;
    for (const char* word : words) {
      EXPECT_NE(run.err.find(word), std::string::npos) << "no '" << word << "' in: " << run.err;
    }
  }
};

TEST_F(RingFaults, a_kernel_without_io_uring_is_named) {
  expect_refused_start(start_with(forbidding(SYS_io_uring_setup, ENOSYS)),
                       {"io_uring_setup", "ENOSYS"});
}

TEST_F(RingFaults, a_forbidden_io_uring_is_named_with_what_to_do) {
  const Finished run = start_with(forbidding(SYS_io_uring_setup, EPERM));
  expect_refused_start(run, {"io_uring_setup", "EPERM"});
  EXPECT_TRUE(run.err.find("kernel.io_uring_disabled") != std::string::npos ||
              run.err.find("seccomp") != std::string::npos)
      << run.err;
}

TEST_F(RingFaults, too_little_locked_memory_is_named) {
  expect_refused_start(start_with(forbidding(SYS_io_uring_setup, ENOMEM)),
                       {"io_uring_setup", "ENOMEM"});
}

TEST_F(RingFaults, a_kernel_without_buffer_rings_is_too_old) {
  const Finished run = start_with(refusing_ring_registration(IORING_REGISTER_PBUF_RING, EINVAL));
  expect_refused_start(run, {"6.1"});
  EXPECT_NE(run.err.find("too old"), std::string::npos) << run.err;
}

TEST_F(RingFaults, a_failed_start_leaves_no_unix_socket) {
  const std::string path = tree().beside("server.sock");
  const Finished run = run_ringserve({"--listen", "unix:" + path, tree().root()},
                                     forbidding(SYS_io_uring_setup, EPERM));
  EXPECT_EQ(run.status, (ExitStatus{1, 0}));
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "a failed start left its socket behind";
}

}  // namespace
