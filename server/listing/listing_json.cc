// Entry by entry, so that only one of them is ever a tree of JSON values. Never writes a name but
// through nlohmann-json's escaping.
#include "server/listing/listing_json.h"

#include <nlohmann/json.hpp>

#include "server/listing/text.h"

namespace ringserve::listing {
namespace {

std::string dump(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string json_of(const Entry& entry) {
  nlohmann::ordered_json json{{"name", entry.name},
                              {"href", reference_to(entry)},
                              {"type", entry.directory ? "directory" : "file"}};
  if (!entry.directory) json["size_bytes"] = entry.size_bytes;
  if (std::string modified = as_utc(entry.mtime_s); !modified.empty()) {
    json["modified"] = std::move(modified);
  }
  return dump(json);
}

}  // namespace

void write_json(const Contents& contents, const Sink& sink, uint64_t bytes_max) {
  Output out(sink);
  out.append("{\"path\":" + dump("/" + contents.path) + ",\"entries\":[");
  size_t listed = 0;
  for (const Entry& entry : contents.entries) {
    if (out.size_bytes() > bytes_max) break;
    out.append(listed == 0 ? "\n" : ",\n");
    out.append(json_of(entry));
    ++listed;
    if (!out.advance()) return;
  }
  const uint64_t total = contents.entries.size() + contents.unlisted;
  out.append(listed < total ? "\n],\"truncated\":true" : "\n],\"truncated\":false");
  out.append(",\"total\":" + std::to_string(total) + "}\n");
  out.flush();
}

}  // namespace ringserve::listing
