# benchmarks/bench_*.cpp are one program each; the other files there are shared by all of them.

find_package(benchmark REQUIRED CONFIG)

file(GLOB openwop_benchmark_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/benchmarks/*.cpp")
set(openwop_benchmark_support ${openwop_benchmark_files})
list(FILTER openwop_benchmark_support EXCLUDE REGEX "/bench_[^/]*\\.cpp$")
list(FILTER openwop_benchmark_files INCLUDE REGEX "/bench_[^/]*\\.cpp$")

add_library(openwop_benchmark_base INTERFACE)
target_include_directories(openwop_benchmark_base INTERFACE "${PROJECT_SOURCE_DIR}/benchmarks")
target_compile_definitions(openwop_benchmark_base INTERFACE
  "OPENWOP_BENCH_BIN_DIR=\"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\""
  "OPENWOP_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
# benchmark_main only supplies main() to a file that has none of its own.
target_link_libraries(openwop_benchmark_base INTERFACE
  openwop_internal benchmark::benchmark benchmark::benchmark_main)
if(TARGET openwop_httplib)
  target_link_libraries(openwop_benchmark_base INTERFACE openwop_httplib)
endif()

if(openwop_benchmark_support)
  add_library(openwop_benchmark_support OBJECT ${openwop_benchmark_support})
  openwop_warnings(openwop_benchmark_support)
  target_link_libraries(openwop_benchmark_support PUBLIC openwop_benchmark_base)
endif()

add_custom_target(benchmarks)
foreach(file IN LISTS openwop_benchmark_files)
  get_filename_component(name "${file}" NAME_WE)
  add_executable(${name} "${file}")
  openwop_warnings(${name})
  target_link_libraries(${name} PRIVATE openwop_benchmark_base)
  if(TARGET openwop_benchmark_support)
    target_link_libraries(${name} PRIVATE openwop_benchmark_support)
  endif()
  add_dependencies(benchmarks ${name})
endforeach()
# Benchmarks of the wire drive the real server.
if(TARGET openwop-refserver)
  add_dependencies(benchmarks openwop-refserver)
endif()
