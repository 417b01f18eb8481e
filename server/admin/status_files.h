// The text files of the status page, part of the program: status.html and status.js as they are in
// the source, which cmake/embed.cmake makes into a .cc file when they change.
#pragma once

#include <string_view>

namespace ringserve::admin {

extern const std::string_view kStatusTemplate;  // with placeholders: status.cc
extern const std::string_view kStatusScript;

}  // namespace ringserve::admin
