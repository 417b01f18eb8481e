// Kinds of file systems, as statfs(2) tells them apart.
#pragma once

#include <linux/magic.h>

namespace ringserve::files {

// Not in <linux/magic.h>, or not in that of older systems.
inline constexpr long kXfsMagic = 0x58465342;  // fs/xfs/libxfs/xfs_format.h
inline constexpr long kZfsMagic = 0x2fc12fc1;
inline constexpr long kExfatMagic = 0x2011bab0;
inline constexpr long kNtfs3Magic = 0x7366746e;

}  // namespace ringserve::files
