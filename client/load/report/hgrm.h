// The latency distribution in the text format of HdrHistogram (outputPercentileDistribution of
// HdrHistogram's AbstractHistogram), which its plotting tools read.
#pragma once

#include <string>

#include "common/measure/histogram.h"

namespace ringload {

// Values in milliseconds. Five points each time the distance to 1 halves, up to the largest value;
// an empty histogram gives the header and the trailer alone.
std::string hgrm_of(const measure::Histogram& latency_ns);

}  // namespace ringload
