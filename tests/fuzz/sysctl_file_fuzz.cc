// Files of sysctl.d: whatever they hold, no path leads out of /proc/sys, what is understood is
// understood again when it is written down, and what is not is named with its line.
#include "client/tune/conf/sysctl_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "client/tune/conf/values.h"
#include "common/check.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using namespace ringtune;

// A second reading of what a safe path is: component by component.
void check_path(const std::string& path) {
  CHECK(!path.empty() && path.front() != '/' && path.back() != '/');
  CHECK(path.find('/') != std::string::npos);
  const std::string framed = "/" + path + "/";
  for (const char* wrong : {"//", "/./", "/../", " ", "\t", "*", "?", "["}) {
    CHECK(framed.find(wrong) == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::Exact exact({reinterpret_cast<const char*>(data), size});
  const std::string_view text = exact.view();
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  const SysctlFile file = parse_sysctl_file(text);
  CHECK(file.assignments.size() + file.mistakes.size() <= lines);
  std::set<std::string> paths;
  std::string written;
  for (const Assignment& one : file.assignments) {
    check_path(one.path);
    CHECK(paths.insert(one.path).second);
    CHECK(one.line >= 1 && one.line <= lines);
    CHECK(name_of_path(one.path) == one.name);
    CHECK(same_value(one.name, one.value, one.value) && tidy_value(one.value) == one.value);
    CHECK(!fuzz::has_control(one.name) && !fuzz::has_control(one.value));
    written += fmt::format("{}{} = {}\n", one.may_fail ? "-" : "", one.name, one.value);
  }
  for (const Mistake& mistake : file.mistakes) {
    CHECK(mistake.line >= 1 && mistake.line <= lines && !mistake.what.empty());
  }
  const SysctlFile again = parse_sysctl_file(written);
  CHECK(again.mistakes.empty() && again.assignments.size() == file.assignments.size());
  for (size_t i = 0; i < again.assignments.size(); ++i) {
    CHECK(again.assignments[i].path == file.assignments[i].path);
    CHECK(again.assignments[i].value == file.assignments[i].value);
    CHECK(again.assignments[i].may_fail == file.assignments[i].may_fail);
  }
  return 0;
}
