# Every library is the distribution's (names of the packages: deploy/packages.txt).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(LIBSECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.4)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus>=3)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_path(EXPECTED_INCLUDE_DIR tl/expected.hpp REQUIRED)

# llhttp: a library from Debian 13 on, the generated C sources of node-llhttp before.
pkg_check_modules(LLHTTP QUIET IMPORTED_TARGET libllhttp)
if(LLHTTP_FOUND)
  add_library(llhttp ALIAS PkgConfig::LLHTTP)
else()
  find_path(LLHTTP_INCLUDE_DIR llhttp/llhttp.h PATHS /usr/share/include REQUIRED)
  find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp /usr/local/share/llhttp REQUIRED)
  add_library(llhttp STATIC ${LLHTTP_SOURCE_DIR}/llhttp.c ${LLHTTP_SOURCE_DIR}/api.c
                            ${LLHTTP_SOURCE_DIR}/http.c)
  target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR}
                             PRIVATE ${LLHTTP_INCLUDE_DIR}/llhttp)
  target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
endif()
