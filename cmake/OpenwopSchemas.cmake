# Turns schemas/*.json into one generated source, so that the library needs no files at run time.
#   <build>/generated/openwop_schemas.cpp          the bytes
#   <build>/generated/openwop/embedded_schemas.h   their names (private to the library, tests and benchmarks)

set(OPENWOP_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")
file(GLOB openwop_schema_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/schemas/*.json")

set(openwop_embed_script "${PROJECT_SOURCE_DIR}/cmake/embed_schemas.cmake")
# The list goes through a file: it changes when a schema is added or removed, and so reruns the step.
set(openwop_schema_list "${OPENWOP_GENERATED_DIR}/schema_files.txt")
list(JOIN openwop_schema_files "\n" openwop_schema_lines)
file(CONFIGURE OUTPUT "${openwop_schema_list}" CONTENT "${openwop_schema_lines}\n" @ONLY)

set(OPENWOP_SCHEMAS_CPP "${OPENWOP_GENERATED_DIR}/openwop_schemas.cpp")
set(OPENWOP_SCHEMAS_H "${OPENWOP_GENERATED_DIR}/openwop/embedded_schemas.h")
add_custom_command(
  OUTPUT "${OPENWOP_SCHEMAS_CPP}" "${OPENWOP_SCHEMAS_H}"
  COMMAND "${CMAKE_COMMAND}" "-DLIST_FILE=${openwop_schema_list}" "-DOUT_CPP=${OPENWOP_SCHEMAS_CPP}"
          "-DOUT_H=${OPENWOP_SCHEMAS_H}" -P "${openwop_embed_script}"
  DEPENDS ${openwop_schema_files} "${openwop_schema_list}" "${openwop_embed_script}"
  COMMENT "Embedding the JSON Schemas"
  VERBATIM)
add_custom_target(openwop_schemas DEPENDS "${OPENWOP_SCHEMAS_CPP}" "${OPENWOP_SCHEMAS_H}")
