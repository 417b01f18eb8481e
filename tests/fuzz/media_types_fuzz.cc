// Media types: any file as mime.types, any name; what is answered fits into a head, is the same for
// every case of the extension, and is what the site's own rule says where there is one. Input, a
// line each: a name, an extension and a type of the site's, a charset; then the file.
#include "server/files/media_types.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/check.h"
#include "common/net/owned_fd.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::files::MediaTypes;

MediaTypes loaded(std::string_view content) {
  const net::OwnedFd fd(::memfd_create("mime.types", MFD_CLOEXEC));
  CHECK(fd.valid());
  CHECK(::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  auto types = MediaTypes::load("/proc/self/fd/" + std::to_string(fd.get()));
  CHECK(types.has_value());
  return std::move(*types);
}

std::string upper_case(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

// A reader of the file has the words that white space divides.
bool is_word(std::string_view text) {
  return text.find_first_of(std::string_view(" \t\r\n\v\f")) == std::string_view::npos;
}

void check_types(const MediaTypes& types, const std::string& name) {
  const std::string_view type = types.of(name);
  CHECK(!type.empty() && type.size() <= MediaTypes::kTypeBytesMax);
  CHECK(is_word(type.substr(0, type.find(';'))));
  CHECK(types.of(upper_case(name)) == type);
  CHECK(types.of("a.directory/" + name) == type || name.find('/') != std::string::npos ||
        name.find('.') == std::string::npos);
  const size_t dot = name.rfind('.');
  const bool has_extension = dot != std::string::npos && name.find('/', dot) == std::string::npos;
  if (!has_extension) CHECK(type == MediaTypes::kDefault);
  if (has_extension) CHECK(types.of(name.substr(dot)) == type);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const std::string name(input.line());
  const std::string extension(input.line());
  const std::string type(input.line());
  const std::string_view charset = input.line();
  if (!fuzz::is_token(type) || (!charset.empty() && !fuzz::is_token(charset))) return 0;
  const MediaTypes system = loaded(input.rest());
  check_types(system, name);

  const MediaTypes of_site = system.with({{extension, type}}, charset);
  check_types(of_site, name);
  const bool fits = extension.size() <= MediaTypes::kExtensionBytesMax &&
                    type.size() <= MediaTypes::kTypeBytesMax;
  const bool is_extension = extension.find_first_of("./") == std::string::npos;
  if (fits && is_extension) CHECK(of_site.of("a." + extension).substr(0, type.size()) == type);
  CHECK(system.with({}, "").of(name) == system.of(name));
  return 0;
}
