# Link-time optimisation of one program, and of the libraries named that it is made of. Their
# objects hold both forms: everything else, tests above all, is linked without, as fast as ever.
set(RINGSERVE_WHOLE_PROGRAM OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_C_COMPILER_ID STREQUAL GNU
   AND CMAKE_BUILD_TYPE MATCHES "^Rel" AND NOT RINGSERVE_SANITIZE)
  set(RINGSERVE_WHOLE_PROGRAM ON)
  add_link_options(-fno-lto)
endif()

function(optimise_as_a_whole program)
  if(NOT RINGSERVE_WHOLE_PROGRAM)
    return()
  endif()
  foreach(library IN LISTS ARGN)
    get_target_property(aliased ${library} ALIASED_TARGET)
    get_target_property(imported ${library} IMPORTED)
    if(NOT aliased AND NOT imported)
      target_compile_options(${library} PRIVATE -flto=auto -ffat-lto-objects)
    endif()
  endforeach()
  target_compile_options(${program} PRIVATE -flto=auto)
  # The first takes -fno-lto back, the second says how many jobs.
  target_link_options(${program} PRIVATE -flto -flto=auto)
endfunction()
