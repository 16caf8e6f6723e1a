# One GoogleTest program per folder of tests/, with labels, and a target all_LABEL_tests for each of them.
#
# unit, conformance or integration say what a test is; address and thread, under which sanitizers CI runs it, too.
include(GoogleTest)

function(fastptm_add_to_label label program)
  if(NOT TARGET all_${label}_tests)
    add_custom_target(all_${label}_tests)
  endif()
  add_dependencies(all_${label}_tests ${program})
endfunction()

# fastptm_tests(NAME SOURCES a_test.cpp ... DEPS ... [LABEL unit] [SANITIZE address thread] [TIMEOUT seconds])
# AddressSanitizer sees everything but integration tests, and of those whatever says so.
function(fastptm_tests name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS;SANITIZE" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  set(labels ${ARG_LABEL} ${ARG_SANITIZE})
  # Clusters of real processes get the machine to themselves: their time-outs mean something.
  set(serial FALSE)
  if(ARG_LABEL STREQUAL integration)
    set(serial TRUE)
  else()
    list(APPEND labels address)
  endif()
  list(REMOVE_DUPLICATES labels)
  add_executable(${name} ${ARG_SOURCES})
  foreach(label IN LISTS labels)
    fastptm_add_to_label(${label} ${name})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} fastptm_warnings GTest::gmock GTest::gtest_main)
  # One word, as gtest_discover_tests takes a list apart; `ctest -L` looks for a part of it.
  list(JOIN labels "+" labels)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS ${labels} RUN_SERIAL ${serial})
endfunction()
