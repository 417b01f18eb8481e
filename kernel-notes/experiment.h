// What every experiment of the notes stands on: a GoogleTest fixture that gives each test a fresh
// network namespace, within a user namespace where the kernel allows it, and takes down what was
// measured. The verbs are those of common/net/verbs.h.
//
//   namespace notes {
//   namespace {
//   class ListenQueue : public Experiment {};
//   TEST_F(ListenQueue, holds_backlog_plus_one) {
//     ...
//     measured("{} connections wait with listen({})", waiting, backlog);
//     EXPECT_EQ(backlog + 1, waiting);
//   }
//
// A test that passes says the claim holds, one that fails that this kernel differs, one that is
// skipped why it could not be tried. Suites whose name ends in "Slow" wait for timers of the
// kernel; ./check and kernel-notes/run --quick leave them out.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/net/capture.h"
#include "common/net/networks.h"
#include "common/net/verbs.h"

namespace notes {

using namespace net::verbs;  // the vocabulary of the experiments
using net::Address;
using net::OwnedFd;
using net::Segment;
using net::TcpState;

struct KernelVersion {
  int major = 0;
  int minor = 0;

  friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};
KernelVersion running_kernel();  // uname(2)

class Experiment : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // What was seen, for the notes' table: a short sentence with its numbers and units. Said before
  // it is judged, so that a kernel that differs shows how; the last one counts.
  template <typename... Values>
  void measured(fmt::format_string<Values...> format, Values&&... values) {
    note("measured", fmt::format(format, std::forward<Values>(values)...));
  }

  // The packets of an interface from now on. They are left as SUITE.TEST.pcap in the directory that
  // KERNEL_NOTES_PCAP names, if it is set.
  net::Capture& capture(const std::string& interface = "lo");
  // Where TearDown() will leave it; empty if nowhere.
  std::string pcap_path() const;

  // Runs `work` in another network, from where its sockets then are.
  template <typename Work>
  auto in(const OwnedFd& network, Work work) {
    auto scope = net::NetworkScope::enter(network);
    if (!scope) throw std::runtime_error(scope.error().message());
    return work();
  }
  // Two networks and a cable (10.0.0.1 and 10.0.0.2), as networks.h has them.
  net::VethPair make_link();
  void cut_link(const net::VethPair& link);
  void mend_link(const net::VethPair& link);

  void note(const char* key, const std::string& text) { RecordProperty(key, text); }

 private:
  std::unique_ptr<net::Capture> capture_;
};

}  // namespace notes

// Ends the test as one that cannot be tried here. "linux 6.8 or newer is needed".
#define SKIP_EXPERIMENT(why)    \
  do {                          \
    note("skipped", (why));     \
    GTEST_SKIP() << (why);      \
  } while (false)

#define NEEDS_KERNEL(major, minor)                                             \
  do {                                                                         \
    if (notes::running_kernel() < notes::KernelVersion{major, minor}) {        \
      SKIP_EXPERIMENT(fmt::format("Linux {}.{} or newer is needed", major, minor)); \
    }                                                                          \
  } while (false)
