// What a directory holds, as plain data between its reader and the writers of its listing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ringserve::listing {

struct Entry {
  std::string name;  // bytes as the file system has them, not necessarily UTF-8
  bool directory = false;
  uint64_t size_bytes = 0;  // of a file; means nothing for a directory
  int64_t mtime_s = 0;      // since the epoch
};

struct Contents {
  std::string path;            // below the site's root, decoded, ending in a slash; "" is the root
  std::vector<Entry> entries;  // in the order of the listing
  uint64_t unlisted = 0;       // names that are there and not among the entries
};

// Takes the next piece of a listing; false ends the writing.
using Sink = std::function<bool(std::string_view)>;

// A listing longer than this is cut behind an entry, and says so: 255 bytes of hostile name become
// 2 KiB of text, a hundred thousand times.
constexpr uint64_t kListingBytesMax = 48 << 20;

}  // namespace ringserve::listing
