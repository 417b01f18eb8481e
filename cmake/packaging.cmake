# `cmake --build build/release --target deb` makes a Debian package of the programs of this build,
# in its directory. The rules are deploy/packaging/CMakeLists.txt, a project of its own.
find_package(Python3 3.11 COMPONENTS Interpreter)
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
find_program(FILE_PROGRAM file)
if(NOT Python3_FOUND OR NOT DPKG_SHLIBDEPS OR NOT FILE_PROGRAM)
  add_custom_target(deb
    COMMAND ${CMAKE_COMMAND} -E echo "The package is made with Python 3.11, dpkg-shlibdeps and file: \
apt install python3 dpkg-dev file, and then cmake --preset release"
    COMMAND ${CMAKE_COMMAND} -E false
    VERBATIM)
  return()
endif()
set(package_directory ${CMAKE_BINARY_DIR}/package)
add_custom_target(deb
  COMMAND ${CMAKE_COMMAND} -S ${CMAKE_SOURCE_DIR}/deploy/packaging -B ${package_directory}
          -DPROGRAMS=${CMAKE_BINARY_DIR} -DVERSION=${PROJECT_VERSION}
  COMMAND ${CMAKE_CPACK_COMMAND} --config ${package_directory}/CPackConfig.cmake
          -B ${CMAKE_BINARY_DIR}
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
  DEPENDS ringserve ringload ringtune
  VERBATIM)
