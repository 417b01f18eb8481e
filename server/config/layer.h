// What somebody asked for, not yet checked: settings and their texts, each with its place. The
// command line, the top level of the configuration file and each [[site]] are one layer each; what
// a layer says of a setting replaces what the layers below it said, lists included. Plain data.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ringserve::config {

struct Setting;

// In the configuration file: both count from 1, columns in characters. Line 0 is the command line,
// or the file as a whole.
struct Place {
  size_t line = 0;
  size_t column = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

struct Text {
  std::string value;
  Place place{};
};

struct Said {
  const Setting* setting = nullptr;  // of settings(), which lives as long as the program
  std::vector<Text> texts;           // none: a repeatable setting is emptied
};

using Layer = std::vector<Said>;

}  // namespace ringserve::config
