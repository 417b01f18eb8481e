// Reads /etc/mime.types (package media-types) once at start. What a look-up answers is ready to be
// sent, parameters included.
#include "server/files/media_types.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

namespace ringserve::files {
namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return lower;
}

// Whether a browser that is not told the encoding has to guess it, or takes the wrong one.
//
// text/*: HTML and plain text without a charset are taken for windows-1252 in most locales (WHATWG
// Encoding, HTML section 13.2.3.2), CSS and scripts for whatever their page is in (RFC 9239 section
// 4.2 for the names of JavaScript outside of text/ too). Not XML, under any of its names: it says
// its own encoding and is UTF-8 where it does not, and a charset parameter would win over what it
// says (RFC 7303 section 3). Not JSON: always UTF-8, and it has no such parameter (RFC 8259 section
// 11). Not image/svg+xml and application/xhtml+xml: XML.
bool needs_charset(std::string_view lower_type) {
  constexpr std::array<std::string_view, 4> kScripts = {
      "application/javascript", "application/x-javascript", "application/ecmascript",
      "application/x-ecmascript"};
  std::string_view essence = lower_type.substr(0, lower_type.find(';'));
  essence = essence.substr(0, essence.find_last_not_of(" \t") + 1);
  if (lower_type.find("charset=") != std::string_view::npos) return false;
  if (essence == "text/xml" || essence.ends_with("+xml")) return false;
  return essence.starts_with("text/") ||
         std::find(kScripts.begin(), kScripts.end(), essence) != kScripts.end();
}

}  // namespace

net::Result<MediaTypes> MediaTypes::load(const std::string& path) {
  std::ifstream in(path);
  if (!in) return net::fail("open " + path, errno, "install the package media-types");
  MediaTypes types;
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string type, extension;
    if (!(words >> type) || type.size() > kTypeBytesMax) continue;
    while (words >> extension) types.by_extension_.try_emplace(lower_case(extension), type);
  }
  return types;
}

MediaTypes MediaTypes::with(const std::vector<std::pair<std::string, std::string>>& overrides,
                            std::string_view charset) const {
  MediaTypes types = *this;
  for (const auto& [extension, type] : overrides) {
    if (extension.size() > kExtensionBytesMax || type.size() > kTypeBytesMax) continue;
    types.by_extension_.insert_or_assign(lower_case(extension), type);
  }
  if (charset.empty()) return types;
  const std::string parameter = "; charset=" + std::string(charset);
  for (auto& [extension, type] : types.by_extension_) {
    if (type.size() + parameter.size() > kTypeBytesMax) continue;
    if (needs_charset(lower_case(type))) type += parameter;
  }
  return types;
}

std::string_view MediaTypes::of(std::string_view name) const {
  name = name.substr(name.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name.size() - dot - 1 > kExtensionBytesMax) return kDefault;
  const auto found = by_extension_.find(lower_case(name.substr(dot + 1)));
  return found == by_extension_.end() ? kDefault : std::string_view(found->second);
}

}  // namespace ringserve::files
