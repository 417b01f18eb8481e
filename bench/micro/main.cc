// ringserve_micro: Google Benchmark with defaults that keep the whole set bounded and the measured
// thread on one CPU. README.md beside this file says which filters answer which question.
#include <benchmark/benchmark.h>
#include <sys/utsname.h>

#include <string>
#include <vector>

#include "bench/micro/machine.h"
#include "common/net/ring.h"

namespace {

void describe_machine() {
  const micro::Cpus& cpus = micro::cpus();
  benchmark::AddCustomContext("measured_cpu", std::to_string(cpus.near));
  benchmark::AddCustomContext("other_cpu", std::to_string(cpus.far));
  utsname system{};
  if (::uname(&system) == 0) benchmark::AddCustomContext("kernel", system.release);
  const auto ring = net::Ring::open({.submissions = 4, .completions = 8});
  benchmark::AddCustomContext("ring", ring ? (*ring)->features() : ring.error().message());
  const auto counter = micro::SyscallCounter::open();
  benchmark::AddCustomContext("counter syscalls",
                              counter ? "counted" : "left out: " + counter.error().message());
}

}  // namespace

int main(int argc, char** argv) {
  micro::pin_this_thread(micro::cpus().near);
  // Before the user's own, which therefore win.
  std::string shortened = "--benchmark_min_time=0.05";
  std::string in_table = "--benchmark_counters_tabular=true";
  std::vector<char*> arguments(argv, argv + argc);
  arguments.insert(arguments.begin() + 1, {shortened.data(), in_table.data()});
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  describe_machine();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
