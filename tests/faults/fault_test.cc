// The plan is a file that both map. It relies on the dynamic linker, and must never leave
// LD_PRELOAD behind: other tests start programs too.
#include "tests/faults/fault_test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <system_error>

#include "tests/support/unique_fd.h"

namespace faults {
namespace {

constexpr const char* kPreloadVariable = "LD_PRELOAD";
constexpr const char* kTraceVariable = "LD_TRACE_LOADED_OBJECTS";
constexpr int kLookAgain_ms = 2;
// Most faults have happened when the client has its answer.
constexpr int kHitPatience_s = 10;

// The runtime of GCC's sanitizer that the server needs, as the dynamic linker finds it (ld.so(8)):
// it wants to be the first of all libraries. Empty where there is none; clang's is in the server.
std::string sanitizer_runtime() {
  ::setenv(kTraceVariable, "1", 1);
  const support::Finished trace = support::run_to_exit({support::ringserve_binary()});
  ::unsetenv(kTraceVariable);
  std::istringstream libraries(trace.out);  // "\tlibasan.so.8 => /lib/libasan.so.8 (0x7f…)"
  for (std::string line; std::getline(libraries, line);) {
    const std::size_t path = line.find('/');
    if (path == std::string::npos) continue;
    for (const char* runtime : {"libasan.so", "libtsan.so"}) {
      if (line.find(runtime) < path) return line.substr(path, line.find(" (", path) - path);
    }
  }
  return {};
}

}  // namespace

Injection::Injection(std::string path) : path_(std::move(path)) {
  const support::UniqueFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid() || ::ftruncate(fd.get(), sizeof(Plan)) != 0) {
    throw std::system_error(errno, std::generic_category(), "make " + path_);
  }
  void* memory = ::mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  plan_ = new (memory) Plan{};
}

Injection::~Injection() {
  ::unsetenv(kPreloadVariable);
  ::unsetenv(kPlanVariable);
  ::munmap(plan_, sizeof(Plan));
}

void Injection::preload() {
  static const std::string runtime = sanitizer_runtime();
  const std::string libraries =
      (runtime.empty() ? "" : runtime + ":") + std::string(RINGSERVE_FAULT_PRELOAD);
  ::setenv(kPreloadVariable, libraries.c_str(), 1);
  ::setenv(kPlanVariable, path_.c_str(), 1);
}

void Injection::inject(const Fault& fault) {
  Rule& rule = plan_->rules[static_cast<std::size_t>(fault.call)];
  rule.left.store(0);
  rule.hits.store(0);
  rule.error.store(fault.error);
  rule.left.store(fault.times);
}

void Injection::calm() {
  for (Rule& rule : plan_->rules) rule.left.store(0);
}

std::uint64_t Injection::hits(Call call) const {
  return plan_->rules[static_cast<std::size_t>(call)].hits.load();
}

std::uint64_t Injection::calls(Call call) const {
  return plan_->rules[static_cast<std::size_t>(call)].calls.load();
}

bool Injection::wait_for_hit(Call call) const {
  const support::Deadline deadline(kHitPatience_s);
  while (hits(call) == 0) {
    if (deadline.passed()) return false;
    ::poll(nullptr, 0, kLookAgain_ms);
  }
  return true;
}

support::ServerProcess& FaultTest::serve_with_faults(support::ServerSpec spec) {
  injection_.preload();
  support::ServerProcess& server = serve_as(std::move(spec));
  ::unsetenv(kPreloadVariable);
  ::unsetenv(kPlanVariable);
  return server;
}

bool FaultTest::server_watches_files() {
  EXPECT_TRUE(server().wait_for_log("| files: "));
  return server().log().find("| files: inotify") != std::string::npos;
}

void FaultTest::note_descriptors() {
  descriptors_ = support::open_descriptors(server().pid());
  sockets_ = support::open_sockets(server().pid());
}

void FaultTest::expect_descriptors_are_back(std::size_t kept_max) {
  const support::Deadline deadline;
  while (support::open_sockets(server().pid()) > sockets_ && !deadline.passed()) {
    ::poll(nullptr, 0, kLookAgain_ms);
  }
  EXPECT_EQ(support::open_sockets(server().pid()), sockets_) << "sockets are left";
  EXPECT_LE(support::open_descriptors(server().pid()), descriptors_ + kept_max);
}

}  // namespace faults
