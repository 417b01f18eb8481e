// A configuration file as layers: TOML turned into the same texts the command line has. Its values
// are not checked here, only their types and the names of the settings.
#pragma once

#include <string>
#include <vector>

#include "server/config/layer.h"
#include "server/config/mistakes.h"

namespace ringserve::config {

constexpr size_t kDocumentBytesMax = 1024 * 1024;
constexpr size_t kSitesMax = 1024;

struct SiteTable {
  Place place;  // of its [[site]]
  Layer layer;
};

struct Document {
  std::string path;  // as it was given; relative paths inside begin at its directory
  std::string text;
  bool is_parsed = false;  // it could be read and is TOML
  Layer top;
  std::vector<SiteTable> sites;  // in the order of the file
};

// What cannot be read is among the mistakes, and left out of the document.
Document read_document(const std::string& path, Mistakes& mistakes);
// The same of a text that came from `path`.
Document parse_document(std::string path, std::string text, Mistakes& mistakes);

}  // namespace ringserve::config
