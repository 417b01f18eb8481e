// strptime(3) and strftime(3) in the C locale, which this program never leaves.
#include "server/http/date.h"

#include <ctime>

namespace ringserve::http {

std::string format_date(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) return format_date(0);  // a year beyond int
  char text[64];
  const size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, length};
}

std::optional<int64_t> parse_date(std::string_view text) {
  constexpr const char* kForms[] = {"%a, %d %b %Y %H:%M:%S GMT",  // IMF-fixdate
                                    "%A, %d-%b-%y %H:%M:%S GMT",  // RFC 850
                                    "%a %b %e %H:%M:%S %Y"};      // asctime()
  const std::string copy(text);
  for (const char* form : kForms) {
    std::tm parts{};
    const char* end = ::strptime(copy.c_str(), form, &parts);
    if (end != nullptr && *end == '\0') return ::timegm(&parts);
  }
  return std::nullopt;
}

}  // namespace ringserve::http
