// The namespaces, once a process and once a test, and what is left behind.
#include "kernel-notes/experiment.h"

#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>
#include <set>

#include "common/net/private_network.h"
#include "common/net/require.h"

namespace notes {
namespace {

// Once a process, since they nest. Where it fails, root goes on as root; others will hear from
// enter_private_network() what forbids it.
void leave_user_namespace_once() {
  static const net::Status status = net::enter_private_user();
  (void)status;
}

}  // namespace

KernelVersion running_kernel() {
  utsname name{};
  KernelVersion version;
  if (::uname(&name) != 0 ||
      std::sscanf(name.release, "%d.%d", &version.major, &version.minor) != 2) {
    throw std::runtime_error("uname(2) names no version of the kernel");
  }
  return version;
}

void Experiment::SetUp() {
  leave_user_namespace_once();
  const net::Status status = net::enter_private_network();
  if (status) return;
  const std::set<int> forbidden = {EPERM, EACCES, ENOSPC, EINVAL, ENOSYS};
  ASSERT_TRUE(forbidden.count(status.error().errno_value)) << status.error().message();
  SKIP_EXPERIMENT(status.error().message());
}

void Experiment::TearDown() {
  if (capture_ && !pcap_path().empty()) capture_->save(pcap_path());
}

net::Capture& Experiment::capture(const std::string& interface) {
  capture_ = std::make_unique<net::Capture>(interface);
  return *capture_;
}

std::string Experiment::pcap_path() const {
  const char* directory = std::getenv("KERNEL_NOTES_PCAP");
  if (directory == nullptr) return {};
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  return fmt::format("{}/{}.{}.pcap", directory, test->test_suite_name(), test->name());
}

// The near end sends once the kernel has noticed that the far one is up (net/core/link_watch.c):
// what is sent before is lost. So the cable is handed out when a first datagram has passed.
net::VethPair Experiment::make_link() {
  net::VethPair link = net::require(net::make_veth_pair());
  const OwnedFd far = in(link.far, [] { return udp_at(at("0.0.0.0:0")); });
  const OwnedFd near = in(link.near, [] { return udp_socket(); });
  const Address to = Address::parse_host(net::VethPair::kFarHost)->with_port(local_of(far).port());
  await("the cable", [&] {
    send_to(near, to, "?");
    return has_event(far, POLLIN, std::chrono::milliseconds(1));
  });
  return link;
}

void Experiment::cut_link(const net::VethPair& link) { net::require(net::cut_link(link)); }

void Experiment::mend_link(const net::VethPair& link) { net::require(net::mend_link(link)); }

}  // namespace notes
