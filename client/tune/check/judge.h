// Whether the values of a machine will do for what is expected of it. Pure arithmetic, which each
// finding writes out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/tune/catalogue/catalogue.h"
#include "client/tune/check/expectation.h"
#include "client/tune/check/machine.h"

namespace ringtune {

enum class Verdict {
  breaks,     // the expectation will not be met, for this reason
  tight,      // it may not be, or something useful is off
  ok,         // it was computed, and it will do
  unasked,    // it could matter, but --expect lacks the number
  no_matter,  // it does not limit this, whatever its value
};

struct Finding {
  const Parameter* parameter = nullptr;
  std::string present;  // empty where this kernel does not have it
  Verdict verdict = Verdict::no_matter;
  std::string arithmetic;
  std::string advice;                 // what to do, when it breaks or is tight
  std::optional<std::string> wanted;  // the value that would do, if one would
};

// Of every parameter of the catalogue that has not been removed from Linux, in its order.
std::vector<Finding> judge(const Machine& machine, const Expectation& expected);

std::string_view verdict_word(Verdict verdict);

}  // namespace ringtune
