// A screening design: which of several parameters matter at all, from as few samples as can tell.
// Plackett-Burman designs (R. Plackett, J. Burman, "The design of optimum multifactorial
// experiments", 1946): in N runs each of up to N-1 factors is high in half of them, and any two
// are high together in a quarter. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/measure/paired.h"
#include "common/net/result.h"

namespace ringtune {

inline constexpr size_t kFactorsMax = 23;

// A row for each run, true where a factor is high.
using Design = std::vector<std::vector<bool>>;

// The smallest that holds so many factors, 1 to kFactorsMax: 4, 8, 12, 20 or 24 runs.
net::Result<Design> plackett_burman(size_t factors);
// High where it was low: with its mirror a design tells an effect from what two other factors do
// only together.
Design mirrored(const Design& design);

// Of a factor in a design once run: what it multiplies the result with when it goes from low to
// high, the others averaged out.
double effect_of(const Design& design, size_t factor, std::span<const double> results);

// The effect over the replicates of the design, with its interval.
net::Result<::measure::Comparison> summarize(std::span<const double> effects);

}  // namespace ringtune
