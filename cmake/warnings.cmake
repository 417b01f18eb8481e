# Flags for the project's own targets; third-party sources are compiled without them.
add_library(project_flags INTERFACE)
target_compile_options(project_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough -fno-omit-frame-pointer)
target_include_directories(project_flags INTERFACE ${CMAKE_SOURCE_DIR})

# On every target, so that the static libraries agree with the programs.
if(RINGSERVE_SANITIZE)
  add_compile_options(-fsanitize=${RINGSERVE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${RINGSERVE_SANITIZE})
  add_compile_definitions(RINGSERVE_SANITIZED)
endif()
