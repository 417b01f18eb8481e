// Text that is not ours, as it stands in a page. Pure.
#pragma once

#include <string>
#include <string_view>

namespace text {

// For the text of an element and for a quoted attribute value, in single quotes too.
std::string html_escaped(std::string_view bytes);

}  // namespace text
