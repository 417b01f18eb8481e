// For `ringtune search --names`: what is low and what is high of a parameter that people tune.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ringtune {

struct Range {
  std::string low;
  std::string high;
};

std::optional<Range> usual_range(std::string_view name);

}  // namespace ringtune
