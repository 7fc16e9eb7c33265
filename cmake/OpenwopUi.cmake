# Turns examples/refserver/ui/* into one generated source of the reference server, <build>/generated/refserver_ui.cpp.

file(GLOB openwop_ui_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/refserver/ui/*")

set(openwop_ui_script "${PROJECT_SOURCE_DIR}/cmake/embed_ui.cmake")
# The list goes through a file: it changes when a file is added or removed, and so reruns the step.
set(openwop_ui_list "${PROJECT_BINARY_DIR}/generated/ui_files.txt")
list(JOIN openwop_ui_files "\n" openwop_ui_lines)
file(CONFIGURE OUTPUT "${openwop_ui_list}" CONTENT "${openwop_ui_lines}\n" @ONLY)

set(OPENWOP_UI_CPP "${PROJECT_BINARY_DIR}/generated/refserver_ui.cpp")
add_custom_command(
  OUTPUT "${OPENWOP_UI_CPP}"
  COMMAND "${CMAKE_COMMAND}" "-DLIST_FILE=${openwop_ui_list}" "-DOUT_CPP=${OPENWOP_UI_CPP}" -P "${openwop_ui_script}"
  DEPENDS ${openwop_ui_files} "${openwop_ui_list}" "${openwop_ui_script}"
  COMMENT "Embedding the timeline page"
  VERBATIM)
