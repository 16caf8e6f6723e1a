# One function for fuzz targets: a program of libFuzzer in the preset fuzz, a test of the committed inputs elsewhere.

# fastptm_fuzz(NAME DEPS ...): NAME.cpp is the target, corpus/NAME/ its inputs: seeds, and whatever once broke it.
function(fastptm_fuzz name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(fuzz_${name} ${name}.cpp)
  target_link_libraries(fuzz_${name} PRIVATE ${ARG_DEPS} fastptm_warnings)
  if(FASTPTM_SANITIZE STREQUAL "fuzz")
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  target_sources(fuzz_${name} PRIVATE replay.cpp)
  fastptm_add_to_label(unit fuzz_${name})
  fastptm_add_to_label(address fuzz_${name})
  add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS unit+address TIMEOUT 120)
endfunction()
