// Reads /etc/mime.types (package media-types) once at start; never changed after that.
#include "server/files/media_types.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace ringserve::files {
namespace {

constexpr size_t kExtensionBytesMax = 16;
constexpr size_t kTypeBytesMax = 100;  // keeps a reply's head below http::kReplyHeadBytesMax

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  return lower;
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

std::string_view MediaTypes::of(std::string_view name) const {
  name = name.substr(name.rfind('/') + 1);
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || name.size() - dot - 1 > kExtensionBytesMax) return kDefault;
  const auto found = by_extension_.find(lower_case(name.substr(dot + 1)));
  return found == by_extension_.end() ? kDefault : std::string_view(found->second);
}

}  // namespace ringserve::files
