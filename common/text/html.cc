// Five characters could end an element or a quoted value; all others go through as they are.
#include "common/text/html.h"

namespace text {

std::string html_escaped(std::string_view bytes) {
  std::string html;
  html.reserve(bytes.size());
  for (const char byte : bytes) {
    switch (byte) {
      case '&': html += "&amp;"; break;
      case '<': html += "&lt;"; break;
      case '>': html += "&gt;"; break;
      case '"': html += "&quot;"; break;
      case '\'': html += "&#39;"; break;
      default: html += byte;
    }
  }
  return html;
}

}  // namespace text
