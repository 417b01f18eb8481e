// The way from a request to its file, where that takes more than a look into the cache: the disk,
// the lister, or a second file in place of the one that was asked for.
#pragma once

#include "server/sites.h"

namespace ringserve {

// What the file that is looked for is to be.
enum class Purpose : uint8_t {
  request,     // what was asked for
  fallback,    // in place of a file that is not there: --fallback
  error_page,  // the body of an error: --error-page
};

struct Search {
  SitesRef sites;  // keeps `site` alive through a reload
  ServedSite* site = nullptr;
  Purpose purpose = Purpose::request;
  int status = 0;                  // of an error page
  bool waits_for_listing = false;  // the lister is at work
  bool is_listing = false;         // what the file is, when it is there
  int64_t received_at_us = 0;      // CLOCK_REALTIME: the request; for the access log
  files::Lookup lookup;

  bool waits() const {
    return waits_for_listing || lookup.outcome == files::Lookup::Outcome::wants_open;
  }
  void reset() {
    lookup.reset();
    sites.reset();
    site = nullptr;
    waits_for_listing = is_listing = false;
  }
};

}  // namespace ringserve
