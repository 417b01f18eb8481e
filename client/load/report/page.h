// What the HTML reports have in common: one file, readable on a phone and in the dark.
#pragma once

#include <string>
#include <string_view>

namespace ringload {

// For text that is not ours, in elements and in quoted attributes.
std::string escaped(std::string_view text);

// Up to the title and the line below it, both escaped here; the page's own style is added to ours.
std::string page_begin(std::string_view program, std::string_view title, std::string_view subtitle,
                       std::string_view more_style = {});
std::string page_end();

}  // namespace ringload
