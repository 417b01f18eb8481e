// What a file's entity-tag is made of, and whether its time says anything: arithmetic on what
// stat(2) tells. Asks no file and no clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/files/file.h"

namespace ringserve::files {

// size_mtime: survives a redeploy that keeps times (rsync -t, tar, a package) and is the same on
// every machine behind a balancer. inode: every new file is another one, also one that was given
// the old size and time; for trees written in place or with rounded times. off: no tag.
enum class EtagKind { size_mtime, inode, off };

// False for times that many versions of a file share: before 1980-01-02 UTC, since reproducible
// builds write 0 (ostree), 1 (Nix) or 315532800 (the first that ZIP can tell, in whatever time
// zone). `mtime_s`: seconds since the epoch.
bool tells_versions_apart(int64_t mtime_s);

// Whether it may be said as Last-Modified: it tells versions apart and is not in the future, which
// RFC 9110 section 8.8.2.1 forbids to say.
bool has_useful_mtime(int64_t mtime_s, int64_t now_s);

// A strong entity-tag (RFC 9110 section 8.8.3) with its quotes; empty for EtagKind::off. `form` is
// the suffix of a variant, with its dot, or empty: forms of equal size and time still differ, as
// section 8.8.3.3 demands.
std::string make_etag(EtagKind kind, const Identity& identity, int64_t mtime_s,
                      std::string_view form);

}  // namespace ringserve::files
