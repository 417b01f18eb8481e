// File name extensions to media types, from the system's mime.types.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "common/net/result.h"

namespace ringserve::files {

class MediaTypes {
 public:
  static constexpr const char* kSystemFile = "/etc/mime.types";
  static constexpr std::string_view kDefault = "application/octet-stream";

  // Lines of "type ext ext ..."; '#' begins a comment.
  static net::Result<MediaTypes> load(const std::string& path);

  // By the last extension of the name, whatever its case; kDefault if unknown. Valid as long as
  // this object.
  std::string_view of(std::string_view name) const;

 private:
  std::unordered_map<std::string, std::string> by_extension_;
};

}  // namespace ringserve::files
