// What emit reads of `ringtune measure --json`: it becomes lines of a configuration file, so that
// names are names of parameters and values are single lines, or the file is refused by its name.
#include "client/tune/emit/measured.h"

#include "client/tune/conf/sysctl_file.h"
#include "common/check.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ringtune;
  const fuzz::Exact text({reinterpret_cast<const char*>(data), size});
  const auto measured = parse_measured(text.view(), "m.json");
  if (!measured) {
    CHECK(measured.error().message().rfind("m.json: ", 0) == 0);
    CHECK(!fuzz::has_control(measured.error().message()));
    return 0;
  }
  CHECK(!fuzz::has_control(measured->kernel) && !fuzz::has_control(measured->workload));
  for (const MeasuredParameter& parameter : measured->parameters) {
    CHECK(path_of_parameter(parameter.name));
    for (const MeasuredValue& value : parameter.values) {
      CHECK(!fuzz::has_control(value.value) && !fuzz::has_control(value.verdict));
      const SysctlFile file = parse_sysctl_file(parameter.name + " = " + value.value);
      CHECK(file.assignments.size() + file.mistakes.size() <= 1);
    }
  }
  return 0;
}
