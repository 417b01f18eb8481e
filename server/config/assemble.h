// From layers to Options: each setting checked and put into its place, upper layers over lower
// ones, then what only the whole can tell. Reads the tuning file where there is one, else nothing.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/document.h"
#include "server/config/settings.h"

namespace ringserve::config {

// Where the texts in force were said, by the name of the setting.
using Places = std::map<std::string, std::vector<Place>, std::less<>>;

struct Assembled {
  Options options;
  Places places;              // of the settings that are not in a [[site]]
  std::vector<Places> sites;  // of options.sites, each with what it took from above
};

// `document` may be null. Every mistake is found, not only the first.
Assembled assemble(const Layer& command_line, const Document* document, Mistakes& mistakes);

// Reads the file, none where the path is empty, and assembles. The options remember what a reload
// needs.
struct Loaded {
  std::optional<Document> document;
  Assembled assembled;
};
Loaded load(const Layer& command_line, const std::string& config_path, Mistakes& mistakes);

// A site without a root is a mistake for all who want to serve.
void require_roots(const Loaded& loaded, Mistakes& mistakes);

// The place of a setting's n-th text; that of the whole file where nobody said it.
Place place_of(const Places& places, std::string_view name, size_t index = 0);

}  // namespace ringserve::config
