// The file of --tuning: what is accepted is written and read back the same and answers for every
// length; what is refused is refused in one line that names the file and a place in it.
#include "server/send/tuning.h"

#include "common/check.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/text.h"

namespace {

using ringserve::send::NamedTuning;
using ringserve::send::parse_tuning;
using ringserve::send::Tuning;
using ringserve::send::tuning_json;

constexpr const char* kName = "t.json";

void check_accepted(const NamedTuning& named) {
  const Tuning& tuning = named.tuning;
  CHECK(named.is_file && tuning.memory_body_bytes_max <= Tuning::kMemoryBodyBytesCeiling);
  uint64_t previous = 0;
  for (const auto& band : tuning.bands) {
    CHECK(band.up_to_bytes > previous);
    CHECK(tuning.path_for(previous + 1) == band.path);
    CHECK(tuning.path_for(band.up_to_bytes) == band.path);
    if (band.up_to_bytes == Tuning::kNoLimit) break;
    previous = band.up_to_bytes;
  }
  const std::string json = tuning_json(named);
  const auto again = parse_tuning(kName, json);
  CHECK(again && tuning_json(*again) == json);
  CHECK(!fuzz::has_control(describe(named)));
}

void check_refused(const std::string& message) {
  CHECK(message.rfind(std::string(kName) + ": ", 0) == 0);
  CHECK(!fuzz::has_control(message));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto named = parse_tuning(kName, text);
  if (named) {
    check_accepted(*named);
  } else {
    check_refused(named.error().message());
  }
  return 0;
}
