# Headers that most files of a target include are compiled once for all of them.
function(precompile target)
  target_precompile_headers(${target} PRIVATE
    <algorithm> <array> <functional> <memory> <optional> <string> <string_view> <vector> ${ARGN})
  # GCC 12 no longer knows that they are the system's, and says what it suspects in them.
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread>)
endfunction()

# For programs: in the build that users have, a file that does not include what it uses must not
# find it anyway.
function(precompile_if_sanitized target)
  if(RINGSERVE_SANITIZE)
    precompile(${target} ${ARGN})
  endif()
endfunction()

# For tests: several files of a target are compiled as one, which takes half the time. A name that
# is private to a file has to be the only one of those files then.
function(join_files target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
endfunction()
