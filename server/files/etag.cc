// Times are taken in nanoseconds, so that two versions of equal size within one second differ. A
// file rewritten in place, to the same size, within one tick of the kernel's clock does not: that
// no tag from stat(2) can tell, and hashing the content would read every file.
#include "server/files/etag.h"

#include <fmt/format.h>

namespace ringserve::files {
namespace {

constexpr int64_t kTellingTimesBegin_s = 315'619'200;  // 1980-01-02T00:00:00Z

}  // namespace

bool tells_versions_apart(int64_t mtime_s) { return mtime_s >= kTellingTimesBegin_s; }

bool has_useful_mtime(int64_t mtime_s, int64_t now_s) {
  return tells_versions_apart(mtime_s) && mtime_s <= now_s;
}

// Size and time would be the same for all versions where the time is none: a new version of equal
// size would be taken for the old one by every cache, for ever. Inode and change time are not
// chosen by anybody, at the price that a redeploy changes the tag.
std::string make_etag(EtagKind kind, const Identity& identity, int64_t mtime_s,
                      std::string_view form) {
  if (kind == EtagKind::off) return {};
  std::string tag = "\"";
  if (kind == EtagKind::inode || !tells_versions_apart(mtime_s)) {
    tag += fmt::format("{:x}-{:x}-", identity.inode, identity.ctime_ns);
  }
  tag += fmt::format("{:x}-{:x}", identity.mtime_ns, identity.size_bytes);
  if (!form.empty()) tag += fmt::format("-{}", form.substr(1));
  return tag + '"';
}

}  // namespace ringserve::files
