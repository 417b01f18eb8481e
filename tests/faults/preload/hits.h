// Whether the call that is being made is to fail, by the plan that the environment names. Without a
// plan nothing ever fails.
#pragma once

#include "tests/faults/preload/plan.h"

namespace faults {

Plan* plan();  // null: there is none

// 0: it goes through. Otherwise the errno it fails with, or kShortCount. A call of one byte has no
// shorter form: then it goes through and does not count as hit.
int hit(Call call, std::size_t bytes = 0);

// The errno of a call that is to fail is set and -1 returned; kShortCount cuts `bytes` in half.
// False: the call goes through, perhaps with fewer bytes.
bool fails(Call call);
bool fails(Call call, std::size_t& bytes);

}  // namespace faults
