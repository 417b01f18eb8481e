// File name extensions to media types, from the system's mime.types and the site's own rules. Made
// at start, never changed after that: may be read by any thread.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/net/result.h"

namespace ringserve::files {

class MediaTypes {
 public:
  static constexpr const char* kSystemFile = "/etc/mime.types";
  static constexpr std::string_view kDefault = "application/octet-stream";
  static constexpr size_t kExtensionBytesMax = 16;  // longer ones are unknown
  // Of a type with its parameters. Keeps a reply's head below http::kReplyHeadBytesMax.
  static constexpr size_t kTypeBytesMax = 100;

  // Lines of "type ext ext ..."; '#' begins a comment.
  static net::Result<MediaTypes> load(const std::string& path);

  // These types, but `overrides` (extension without dot, type) for what they name; and where a type
  // is a text whose encoding the name of the type leaves open, "; charset=" and `charset`, unless
  // that is empty or the type has a charset already. An override that is longer than the limits
  // above is left out: whoever reads the configuration refuses it.
  MediaTypes with(const std::vector<std::pair<std::string, std::string>>& overrides,
                  std::string_view charset) const;

  // By the last extension of the name, whatever its case; kDefault if unknown or there is none.
  // Valid as long as this object.
  std::string_view of(std::string_view name) const;

 private:
  std::unordered_map<std::string, std::string> by_extension_;
};

}  // namespace ringserve::files
