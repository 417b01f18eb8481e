// Reads a directory for its listing. Blocks on the disk: for the lister's thread only.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "common/net/owned_fd.h"
#include "server/files/site.h"
#include "server/listing/entry.h"

namespace ringserve::listing {

// Which names are listed, besides those of regular files and directories; a name that leads to
// anything else could not be served.
struct Choice {
  bool hidden = false;  // those that begin with a dot
  // Links are listed with the facts of what they lead to; `within`: as long as that is below the
  // root, whose facts are the only ones the server may tell.
  files::FollowSymlinks follow_symlinks = files::FollowSymlinks::within;
  int root_fd = -1;      // of the site; -1: no link is known to lead below it
  size_t names_max = 0;  // more are counted, not listed
};

struct Directory {
  Contents contents;              // all but the path; ordered
  int64_t changed_at_s = 0;       // the newest change of the directory or of anything listed
  bool announces_changes = true;  // false: it holds links; what they lead to changes unseen
};

// 0 or an errno value; ECANCELED when `ending` became true. Reads from where `fd` stands: its
// beginning, for a descriptor just opened.
int read_directory(int fd, const Choice& choice, const std::atomic<bool>& ending,
                   Directory& directory);

// Directories first, then by name as people expect it: whatever the case of ASCII letters, and
// numbers by their value ("track 9" before "track 10"). A strict weak order; names that differ are
// never equal.
bool is_listed_before(const Entry& a, const Entry& b);

}  // namespace ringserve::listing
