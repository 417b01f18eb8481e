// A listing for people: one HTML page that needs no script, no other file, and no style sheet to be
// read. Pure; any thread.
#pragma once

#include "server/listing/entry.h"

namespace ringserve::listing {

// Every address on it is relative, so that it holds behind a proxy that serves the site below
// another path. At most `bytes_max` and the end of one row and of the page.
void write_html(const Contents& contents, const Sink& sink, uint64_t bytes_max = kListingBytesMax);

}  // namespace ringserve::listing
