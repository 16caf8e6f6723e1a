# One function per kind of target: a folder's library with its link test, and a program.

# fastptm_library(NAME SOURCES a.cpp ... [DEPS public...] [PRIVATE_DEPS ...])
# Makes fastptm::NAME from one folder, and a program that links it whole with only its declared neighbours:
# a dependency that was not declared is an undefined symbol there.
function(fastptm_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(fastptm_${name} STATIC ${ARG_SOURCES})
  add_library(fastptm::${name} ALIAS fastptm_${name})
  target_include_directories(fastptm_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(fastptm_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} fastptm_warnings)
  add_executable(fastptm_${name}_link_test ${PROJECT_SOURCE_DIR}/cmake/empty_main.cpp)
  target_link_libraries(fastptm_${name}_link_test PRIVATE
    "$<LINK_LIBRARY:WHOLE_ARCHIVE,fastptm_${name}>" ${ARG_DEPS} ${ARG_PRIVATE_DEPS})
endfunction()

# fastptm_program(NAME SOURCES a.cpp ... DEPS ... [OUTPUT folder])
function(fastptm_program name)
  cmake_parse_arguments(ARG "" "OUTPUT" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} fastptm_warnings)
  if(ARG_OUTPUT)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${ARG_OUTPUT})
  endif()
endfunction()
