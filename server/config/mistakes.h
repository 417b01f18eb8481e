// Mistakes in a configuration, and how they are shown to the person who made them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/config/layer.h"

namespace ringserve::config {

struct Mistake {
  Place place;
  std::string message;
  bool is_warning = false;
};

using Mistakes = std::vector<Mistake>;

size_t count_errors(const Mistakes& mistakes);

// For a log: "FILE:3:9: MESSAGE" of the first, and how many more there are. Not empty.
std::string in_one_line(const Mistakes& mistakes, std::string_view file);

// In the order of their places, a line each: "FILE:3:9: error: MESSAGE", then the line of `text`
// and a caret below the column. Without a place: "ringserve: error: MESSAGE". Every line ends in
// a newline.
std::string explain(const Mistakes& mistakes, std::string_view file, std::string_view text);

}  // namespace ringserve::config
