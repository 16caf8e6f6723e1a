# Language level, warnings, sanitizers and the compiler cache: the same for every target of the project.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
# Line tables stay in release builds: a crash report without them costs more than the megabytes.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
# -O1 keeps sanitizer builds of the actor translation units within memory and time.
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer")

set(FASTPTM_SANITIZE "" CACHE STRING "empty, address (with UBSan), thread, or fuzz (libFuzzer with both of address)")
if(FASTPTM_SANITIZE STREQUAL "address")
  # null: CAF 0.17 binds a null reference in init_fun_factory; vptr: KJ is built without RTTI checks.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=null,vptr -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
  # GCC 12 takes its own instrumentation for uninitialised reads (GCC bug 105562).
  add_compile_options(-Wno-maybe-uninitialized)
elseif(FASTPTM_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
  add_compile_options(-Wno-maybe-uninitialized)
elseif(FASTPTM_SANITIZE STREQUAL "fuzz")
  # Every library counts its branches; only the programs of tests/fuzz/ link libFuzzer's main.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=null,vptr -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(FASTPTM_SANITIZE)
  message(FATAL_ERROR "FASTPTM_SANITIZE is '${FASTPTM_SANITIZE}': use address, thread or fuzz")
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Relative paths let several build folders of one checkout share results.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()

add_library(fastptm_warnings INTERFACE)
target_compile_options(fastptm_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror>
  # Which mutex guards what is written at the field (core/mutex.hpp); only clang reads it. libstdc++ 12 itself calls what
  # it deprecates (std::stable_sort), and clang does not see that the call is the library's.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety -Wno-deprecated-declarations>)
