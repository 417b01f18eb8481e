// Objections are the catalogue's: values that are refused by name, and maxima that would be
// lowered.
#include "client/tune/apply/compare.h"

#include <fmt/format.h>

#include "client/tune/catalogue/catalogue.h"
#include "client/tune/conf/values.h"

namespace ringtune {
namespace {

// An interface's or a table's parameter is not in the catalogue: its own name only, no near ones.
const Parameter* parameter_of(const Assignment& wanted) {
  const Parameter* found = find_parameter(wanted.name);
  return found != nullptr && found->name == wanted.name ? found : nullptr;
}

std::string missing_text(const Assignment& wanted) {
  const Parameter* parameter = parameter_of(wanted);
  if (parameter != nullptr && !parameter->gone.empty()) {
    return fmt::format("Linux {} removed it", parameter->gone);
  }
  std::string text = "this kernel, or this namespace, does not have it";
  if (parameter != nullptr) return text;
  const std::string near = near_parameter(wanted.name);
  if (!near.empty()) text += fmt::format("; did you mean {}?", near);
  return text;
}

std::string objection_to(const Assignment& wanted, const std::string& present) {
  const Parameter* parameter = parameter_of(wanted);
  if (parameter == nullptr) return {};
  if (const Refusal* refusal = refusal_of(*parameter, present, wanted.value)) return refusal->why;
  if (lowers(*parameter, present, wanted.value)) {
    return fmt::format("it lowers what is {} now, and is only ever raised", present);
  }
  return {};
}

}  // namespace

std::string shown(const std::string& value) { return value.empty() ? "(empty)" : value; }

std::vector<Comparison> compare(const SysctlFile& file, const ProcSys& proc_sys) {
  std::vector<Comparison> all;
  for (const Assignment& wanted : file.assignments) {
    Comparison one;
    one.wanted = wanted;
    const auto text = proc_sys.read(wanted.path);
    if (text) {
      one.present = tidy_value(*text);
      one.state =
          same_value(wanted.name, one.present, wanted.value) ? State::equal : State::differs;
      if (one.state == State::differs) one.objection = objection_to(wanted, one.present);
    } else if (text.error().errno_value == ENOENT) {
      one.state = State::missing;
      one.error = missing_text(wanted);
    } else {
      one.state = State::unreadable;
      one.error = text.error().message();
    }
    all.push_back(std::move(one));
  }
  return all;
}

std::string mistakes_text(const std::string& path, const SysctlFile& file) {
  std::string text;
  for (const Mistake& mistake : file.mistakes) {
    text += fmt::format("ringtune: {}:{}: {}\n", path == "-" ? "standard input" : path,
                        mistake.line, mistake.what);
  }
  return text;
}

}  // namespace ringtune
