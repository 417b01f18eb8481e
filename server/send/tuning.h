// Which mechanism `auto` uses at which size, and where those sizes come from: built in, or a JSON
// file that bench/paths measured on this machine. Plain data, fixed after the start; reading a file
// never accepts what it does not understand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/result.h"

namespace ringserve::send {

enum class FilePath { sendfile, splice };

// Sizes are those of one response's part of a file: of a Range, its length.
struct Band {
  uint64_t up_to_bytes = UINT64_MAX;  // inclusive
  FilePath path = FilePath::splice;
};

struct Tuning {
  static constexpr uint64_t kNoLimit = UINT64_MAX;
  static constexpr size_t kBandsMax = 8;
  static constexpr uint64_t kBandBytesMax = uint64_t{1} << 53;  // whole numbers of any JSON reader
  // One send of a body in memory is not divided into turns, so it may be as long as one
  // (kTurnBytesMax in path.h).
  static constexpr uint64_t kMemoryBodyBytesCeiling = 512 * 1024;

  // Bodies up to this size are sent from memory: files of up to it are held there as far as
  // --memory-cache has room, and small parts are read and gathered. 0 to the ceiling.
  uint64_t memory_body_bytes_max = 0;
  // Ascending; the last one in use reaches to kNoLimit.
  std::array<Band, kBandsMax> bands{};

  constexpr FilePath path_for(uint64_t bytes) const {
    const Band* band = bands.data();
    while (bytes > band->up_to_bytes) ++band;
    return band->path;
  }
};

// From bench/paths, 2026-11-21, Linux 6.18.44: copying costs more than sendfile from 8 KiB on (29 %
// at 16 KiB), and at 4 and 6 KiB they cannot be told apart; a large pipe is 3 % ahead of sendfile's
// hidden one from 256 KiB on, and behind up to 64 KiB.
constexpr Tuning kBuiltInTuning{
    6 * 1024, {{{64 * 1024, FilePath::sendfile}, {Tuning::kNoLimit, FilePath::splice}}}};

// Where a tuning comes from. Texts without control characters, at most kMeasuredTextBytesMax each.
struct Measured {
  std::string date, kernel, cpu, command, commit;
  std::vector<std::string> notes;
};
constexpr size_t kMeasuredTextBytesMax = 1000;
constexpr size_t kMeasuredNotesMax = 100;

struct NamedTuning {
  std::string name;  // of the file, or "built in"
  bool is_file = false;
  Tuning tuning;
  Measured measured;
};
NamedTuning built_in_tuning();

// Reads a file in the format that tuning_json() writes, at most kTuningFileBytesMax of it. Errors
// name the file, the place in it (line and column, or the path of the key) and what belongs there.
constexpr size_t kTuningFileBytesMax = 256 * 1024;
net::Result<NamedTuning> load_tuning(const std::string& path);
// The same from a text that came from `name`.
net::Result<NamedTuning> parse_tuning(const std::string& name, std::string_view text);

// The JSON of a tuning, with a newline at its end; load_tuning() reads it.
std::string tuning_json(const NamedTuning& tuning);

// One line for people: "built in (bench/paths, 2026-11-20, Linux 6.18): memory up to 64 KiB, ...".
std::string describe(const NamedTuning& tuning);

}  // namespace ringserve::send
