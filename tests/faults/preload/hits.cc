// The plan, mapped when the library is loaded. It relies on system calls that are not wrapped here,
// and must never change errno of a call that goes through.
#include "tests/faults/preload/hits.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "tests/support/unique_fd.h"

namespace faults {
namespace {

Plan* g_plan = nullptr;

// A test whose faults cannot happen must not pass.
[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::abort();
}

__attribute__((constructor)) void map_plan() {
  const char* path = std::getenv(kPlanVariable);
  if (path == nullptr) return;
  const support::UniqueFd fd(::open(path, O_RDWR | O_CLOEXEC));
  if (!fd.valid()) give_up(path);
  void* memory = ::mmap(nullptr, sizeof(Plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) give_up("mmap of the fault plan");
  g_plan = static_cast<Plan*>(memory);
}

}  // namespace

Plan* plan() { return g_plan; }

int hit(Call call, std::size_t bytes) {
  if (g_plan == nullptr) return 0;
  Rule& rule = g_plan->rules[static_cast<std::size_t>(call)];
  rule.calls.fetch_add(1);
  std::uint32_t left = rule.left.load();
  const int error = rule.error.load();
  if (left == 0 || (error == kShortCount && bytes < 2)) return 0;
  while (left != 0 && left != kAlways && !rule.left.compare_exchange_weak(left, left - 1)) {
  }
  if (left == 0) return 0;
  rule.hits.fetch_add(1);
  return error;
}

bool fails(Call call) {
  std::size_t none = 0;
  return fails(call, none);
}

bool fails(Call call, std::size_t& bytes) {
  const int error = hit(call, bytes);
  if (error == kShortCount) bytes /= 2;
  if (error <= 0) return false;
  errno = error;
  return true;
}

}  // namespace faults
