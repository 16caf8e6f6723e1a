# One GoogleTest program per folder of tests/; labels: unit, conformance, integration.
# Target all_LABEL_tests builds every program of a label.
include(GoogleTest)

# fastptm_tests(NAME SOURCES a_test.cpp ... DEPS ... [LABEL unit] [TIMEOUT seconds])
function(fastptm_tests name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  # Clusters of real processes get the machine to themselves: their time-outs mean something.
  set(serial FALSE)
  if(ARG_LABEL STREQUAL integration)
    set(serial TRUE)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  if(NOT TARGET all_${ARG_LABEL}_tests)
    add_custom_target(all_${ARG_LABEL}_tests)
  endif()
  add_dependencies(all_${ARG_LABEL}_tests ${name})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} fastptm_warnings GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS ${ARG_LABEL} RUN_SERIAL ${serial})
endfunction()
