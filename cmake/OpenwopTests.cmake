# Each test/<dir> that holds *.cpp is one program, openwop_test_<dir>, and one ctest test of that name: starting a
# process per test case would cost more than the cases do.

find_package(Catch2 REQUIRED)

set(openwop_test_env
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1:suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp")

# Seconds; a hang must fail, a slow machine must not. Sanitizers slow everything down.
set(openwop_timeout_default 300)
# Starts and stops a database server, again and again; a busy machine needs time for it.
set(openwop_timeout_store 900)
set(openwop_timeout_crash 900)
set(openwop_timeout_simulation 900)
set(openwop_timeout_mutation 600)
set(openwop_timeout_factor 1)
if(OPENWOP_SANITIZE)
  set(openwop_timeout_factor 4)
endif()

# What every test sees. All test code takes it from here and adds nothing, because sharing one precompiled header
# requires equal flags.
add_library(openwop_test_base INTERFACE)
target_include_directories(openwop_test_base INTERFACE "${PROJECT_SOURCE_DIR}/test")
target_compile_definitions(openwop_test_base INTERFACE
  "OPENWOP_TEST_BIN_DIR=\"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\""
  "OPENWOP_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
target_link_libraries(openwop_test_base INTERFACE openwop_testing openwop_internal Catch2::Catch2)
if(TARGET openwop_httplib)
  target_link_libraries(openwop_test_base INTERFACE openwop_httplib)
endif()

# Most test code takes longer to optimise than to run. What goes through thousands of worlds or inputs says HOT.
set(openwop_test_plain "$<$<CONFIG:Release>:-O0>")

# owner: the target whose precompiled header is shared, which needs a source that uses it.
function(openwop_test_pch owner)
  set(source "${PROJECT_BINARY_DIR}/generated/${owner}.cpp")
  file(CONFIGURE OUTPUT "${source}" CONTENT "")
  add_library(${owner} OBJECT "${source}")
  openwop_warnings(${owner})
  target_link_libraries(${owner} PRIVATE openwop_test_base)
  target_compile_options(${owner} PRIVATE ${ARGN})
  target_precompile_headers(${owner} PRIVATE "${PROJECT_SOURCE_DIR}/cmake/pch_test.h")
endfunction()
if(OPENWOP_PCH)
  openwop_test_pch(openwop_test_pch_plain ${openwop_test_plain})
  openwop_test_pch(openwop_test_pch_hot)
endif()

# openwop_test_code(target [HOT])
function(openwop_test_code target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "HOT" "" "")
  openwop_warnings(${target})
  target_link_libraries(${target} PUBLIC openwop_test_base)
  set(pch openwop_test_pch_hot)
  if(NOT arg_HOT)
    target_compile_options(${target} PRIVATE ${openwop_test_plain})
    set(pch openwop_test_pch_plain)
  endif()
  if(OPENWOP_PCH)
    target_precompile_headers(${target} REUSE_FROM ${pch})
  endif()
endfunction()

# Helpers and Catch2's main, compiled once.
file(GLOB_RECURSE openwop_test_support_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/test/support/*.cpp")
add_library(openwop_test_support STATIC ${openwop_test_support_files})
openwop_test_code(openwop_test_support)
# It must define CATCH_CONFIG_RUNNER before the first sight of Catch2.
set_source_files_properties("${PROJECT_SOURCE_DIR}/test/support/catch_main.cpp" PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON)

file(GLOB openwop_test_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/test/*/*.cpp")
if(NOT OPENWOP_WITH_POSTGRES)
  list(FILTER openwop_test_files EXCLUDE REGEX "/test/(store/postgres|crash/cluster)_")
else()
  # The one test that looks inside.
  set_source_files_properties("${PROJECT_SOURCE_DIR}/test/store/postgres_schema_test.cpp" PROPERTIES
    INCLUDE_DIRECTORIES "${OPENWOP_LIBPQ_INCLUDE_DIRS}")
endif()
set(openwop_test_dirs "")
foreach(file IN LISTS openwop_test_files)
  get_filename_component(dir "${file}" DIRECTORY)
  get_filename_component(name "${dir}" NAME)
  list(APPEND openwop_test_dirs "${name}")
endforeach()
list(REMOVE_DUPLICATES openwop_test_dirs)
list(REMOVE_ITEM openwop_test_dirs support install fuzz)

# Objects of the engine that can be broken, and the worlds that have to notice (lib/engine/test_mutation.h). They stand
# before the archive on the command line of the linker, which then takes nothing from there that they define.
set(openwop_breakable handler_run run_rows shard turn_task)
list(TRANSFORM openwop_breakable REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/lib/engine/\\1.cpp")
add_library(openwop_breakable OBJECT ${openwop_breakable})
openwop_warnings(openwop_breakable)
target_compile_definitions(openwop_breakable PRIVATE OPENWOP_TEST_MUTATION)
target_link_libraries(openwop_breakable PRIVATE openwop_internal)
set(openwop_mutation_sources
  "$<TARGET_OBJECTS:openwop_breakable>"
  "${PROJECT_SOURCE_DIR}/test/simulation/invariants.cpp"
  "${PROJECT_SOURCE_DIR}/test/simulation/outside_world.cpp"
  "${PROJECT_SOURCE_DIR}/test/simulation/workflow_generator.cpp"
  "${PROJECT_SOURCE_DIR}/test/simulation/workload.cpp"
  "${PROJECT_SOURCE_DIR}/test/simulation/world.cpp")

foreach(name IN LISTS openwop_test_dirs)
  set(target openwop_test_${name})
  set(files ${openwop_test_files})
  list(FILTER files INCLUDE REGEX "/test/${name}/")
  add_executable(${target} ${files})
  set(hot "")
  if(name MATCHES "^(mutation|simulation)$")
    set(hot HOT)
  endif()
  openwop_test_code(${target} ${hot})
  if(name STREQUAL "mutation")
    target_sources(${target} PRIVATE ${openwop_mutation_sources})
    target_compile_definitions(${target} PRIVATE OPENWOP_TEST_MUTATION)
    # Another definition than the shared precompiled header has.
    set_target_properties(${target} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
  endif()
  target_link_libraries(${target} PRIVATE openwop_test_support)
  # These start the server as a process of its own.
  if(name MATCHES "^(wire|crash|maintenance)$" AND TARGET openwop-refserver)
    add_dependencies(${target} openwop-refserver)
  endif()
  # The examples are tested there.
  if(name STREQUAL "engine" AND TARGET embed)
    add_dependencies(${target} embed)
  endif()

  set(timeout ${openwop_timeout_default})
  if(DEFINED openwop_timeout_${name})
    set(timeout ${openwop_timeout_${name}})
  endif()
  math(EXPR timeout "${timeout} * ${openwop_timeout_factor}")
  add_test(NAME ${name} COMMAND ${target})
  set_tests_properties(${name} PROPERTIES
    LABELS "${name}" TIMEOUT ${timeout} ENVIRONMENT "${openwop_test_env}")
endforeach()
# Ten times the worlds of one by hand; sanitizers have enough with those.
if(NOT OPENWOP_SANITIZE)
  set_property(TEST simulation APPEND PROPERTY ENVIRONMENT "OPENWOP_SIM_SEEDS=10000")
endif()

# The example for hosts that test with the simulation. It is a host: it sees the public interface and nothing else.
add_executable(openwop_example_testing "${PROJECT_SOURCE_DIR}/examples/testing/order_test.cpp")
openwop_warnings(openwop_example_testing)
target_link_libraries(openwop_example_testing PRIVATE openwop::testing Catch2::Catch2)
add_test(NAME example_testing COMMAND openwop_example_testing)
set_tests_properties(example_testing PROPERTIES LABELS testing TIMEOUT 60 ENVIRONMENT "${openwop_test_env}")

find_program(OPENWOP_BASH bash REQUIRED)
mark_as_advanced(OPENWOP_BASH)

add_test(NAME layering COMMAND "${OPENWOP_BASH}" "${PROJECT_SOURCE_DIR}/cmake/check_layering.sh" "${PROJECT_SOURCE_DIR}")
set_tests_properties(layering PROPERTIES LABELS layering TIMEOUT 60)
add_test(NAME conformance
  COMMAND "${OPENWOP_BASH}" "${PROJECT_SOURCE_DIR}/cmake/check_conformance.sh" "${PROJECT_SOURCE_DIR}")
set_tests_properties(conformance PROPERTIES LABELS conformance TIMEOUT 60)

add_test(NAME deploy COMMAND "${OPENWOP_BASH}" "${PROJECT_SOURCE_DIR}/cmake/check_deploy.sh" "${PROJECT_SOURCE_DIR}")
set_tests_properties(deploy PROPERTIES LABELS deploy TIMEOUT 60 SKIP_RETURN_CODE 77)

# The timeline page in a browser; skipped where there is none, unless CI is set.
if(TARGET openwop-refserver)
  add_test(NAME ui COMMAND "${OPENWOP_BASH}" "${PROJECT_SOURCE_DIR}/test/ui/run.sh" "${PROJECT_BINARY_DIR}")
  math(EXPR timeout "${openwop_timeout_default} * ${openwop_timeout_factor}")
  set_tests_properties(ui PROPERTIES
    LABELS ui TIMEOUT ${timeout} SKIP_RETURN_CODE 77 ENVIRONMENT "${openwop_test_env}")
endif()

# An instrumented archive would need an instrumented consumer; packaging is the same without.
if(NOT OPENWOP_SANITIZE)
  add_test(NAME install_consumer
    COMMAND "${OPENWOP_BASH}" "${PROJECT_SOURCE_DIR}/test/install/run.sh"
            "${CMAKE_COMMAND}" "${CMAKE_CXX_COMPILER}" "${CMAKE_GENERATOR}" "${PROJECT_BINARY_DIR}")
  set_tests_properties(install_consumer PROPERTIES LABELS install TIMEOUT 300)
endif()
