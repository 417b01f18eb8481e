// fnmatch(3) without flags: '*' and '?' match slashes and leading dots.
#include "server/http/cache_rules.h"

#include <fnmatch.h>

namespace ringserve::http {

std::string_view cache_control_for(std::span<const CacheRule> rules, std::string_view name) {
  if (rules.empty()) return {};
  const std::string path = "/" + std::string(name);
  const char* last_segment = path.c_str() + path.rfind('/') + 1;
  for (const CacheRule& rule : rules) {
    const bool whole = rule.pattern.find('/') != std::string::npos;
    if (::fnmatch(rule.pattern.c_str(), whole ? path.c_str() : last_segment, 0) == 0) {
      return rule.value;
    }
  }
  return {};
}

}  // namespace ringserve::http
