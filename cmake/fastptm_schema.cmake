# Compiles .capnp files of one folder into a library of generated types; warnings of generated code are not ours.

# fastptm_schema(NAME FILES a.capnp ...)
function(fastptm_schema name)
  cmake_parse_arguments(ARG "" "" "FILES" ${ARGN})
  set(CAPNPC_SRC_PREFIX ${PROJECT_SOURCE_DIR})
  set(CAPNPC_OUTPUT_DIR ${PROJECT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${CAPNPC_OUTPUT_DIR})
  capnp_generate_cpp(generated_sources generated_headers ${ARG_FILES})
  add_library(fastptm_${name} STATIC ${generated_sources} ${generated_headers})
  add_library(fastptm::${name} ALIAS fastptm_${name})
  target_include_directories(fastptm_${name} SYSTEM PUBLIC ${CAPNPC_OUTPUT_DIR})
  target_link_libraries(fastptm_${name} PUBLIC CapnProto::capnp CapnProto::capnp-rpc CapnProto::kj-async)
endfunction()
