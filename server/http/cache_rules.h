// Which Cache-Control a file is sent with: the site's rules, RFC 9111 section 5.2.2. Pure text.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace ringserve::http {

struct CacheRule {
  std::string pattern;  // fnmatch(3), '*' matches slashes too; against "/path/name", or against the
                        // last segment where the pattern has no slash
  std::string value;    // of Cache-Control
};

// The value of the first rule that matches the file's name (below the root, no leading slash);
// empty where none does. Allocates: called once for each file that is opened. Valid as long as the
// rules.
std::string_view cache_control_for(std::span<const CacheRule> rules, std::string_view name);

}  // namespace ringserve::http
