// A listing for programs: JSON (RFC 8259). Pure; any thread.
#pragma once

#include "server/listing/entry.h"

namespace ringserve::listing {

// One object:
//   "path"       of the directory, "/" or "/docs/", decoded
//   "entries"    "name", "href", "type" ("file" or "directory"), "size_bytes" (files only) and
//                "modified" (UTC, RFC 3339; absent where the year does not have four digits)
//   "truncated"  whether the directory holds names that are not listed
//   "total"      how many names it holds, listed or not
// A name that is not UTF-8 has U+FFFD for what is not; "href" is exact for every name, relative to
// the address of the listing. At most `bytes_max` and the end of one entry and of the object.
void write_json(const Contents& contents, const Sink& sink, uint64_t bytes_max = kListingBytesMax);

}  // namespace ringserve::listing
