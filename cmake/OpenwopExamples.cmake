# examples/<dir>/*.cpp is one program named <dir>; examples/refserver is openwop-refserver.

file(GLOB openwop_example_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*/*.cpp")
set(openwop_example_dirs "")
foreach(file IN LISTS openwop_example_files)
  get_filename_component(dir "${file}" DIRECTORY)
  list(APPEND openwop_example_dirs "${dir}")
endforeach()
# The one that is a test is built with the tests.
list(FILTER openwop_example_dirs EXCLUDE REGEX "/examples/testing$")
list(REMOVE_DUPLICATES openwop_example_dirs)

foreach(dir IN LISTS openwop_example_dirs)
  get_filename_component(name "${dir}" NAME)
  set(files ${openwop_example_files})
  list(FILTER files INCLUDE REGEX "/examples/${name}/")
  if(name STREQUAL "refserver")
    if(OPENWOP_BUILD_SERVER)
      include(OpenwopUi)
      add_executable(openwop-refserver ${files} "${OPENWOP_UI_CPP}")
      openwop_warnings(openwop-refserver)
      # The generated source includes a header of the server's.
      target_include_directories(openwop-refserver PRIVATE "${PROJECT_SOURCE_DIR}/examples/refserver")
      target_link_libraries(openwop-refserver PRIVATE openwop::openwop openwop_httplib)
    endif()
  elseif(OPENWOP_BUILD_EXAMPLES)
    add_executable(${name} ${files})
    openwop_warnings(${name})
    # Examples are hosts: they see the public interface and nothing else.
    target_link_libraries(${name} PRIVATE openwop::openwop)
  endif()
endforeach()
