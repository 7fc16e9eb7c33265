# Each test/fuzz/<target>.cpp with an entry below is one program, fuzz_<target>, that executes inputs: those kept in
# test/fuzz/corpus/<target>, and random changes of them. OPENWOP_FUZZ links libFuzzer (Clang), which is guided by
# coverage; otherwise test/fuzz/driver.cpp takes the same command line.

set(openwop_fuzz_targets expression json records router token workflow)
set(openwop_fuzz_sources_router "${PROJECT_SOURCE_DIR}/test/fuzz/router_world.cpp")
set(openwop_fuzz_libraries_router openwop_test_support)
# Random changes of the corpus in a run of the tests: seconds in all.
set(openwop_fuzz_runs 2000)
set(openwop_fuzz_runs_router 300)  # a world to answer requests costs more than a text
set(openwop_fuzz_dir "${PROJECT_SOURCE_DIR}/test/fuzz")

if(NOT OPENWOP_FUZZ)
  # Objects, so that its main() is there before any archive is searched for one.
  add_library(openwop_fuzz_driver OBJECT "${openwop_fuzz_dir}/driver.cpp" "${openwop_fuzz_dir}/mutator.cpp")
  openwop_test_code(openwop_fuzz_driver HOT)
endif()

add_custom_target(fuzz_targets)
foreach(name IN LISTS openwop_fuzz_targets)
  set(target fuzz_${name})
  add_executable(${target} "${openwop_fuzz_dir}/${name}.cpp" ${openwop_fuzz_sources_${name}})
  openwop_test_code(${target} HOT)
  target_link_libraries(${target} PRIVATE ${openwop_fuzz_libraries_${name}})
  if(OPENWOP_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    target_link_libraries(${target} PRIVATE openwop_fuzz_driver)
  endif()
  add_dependencies(fuzz_targets ${target})

  # What is found goes to the build folder: libFuzzer adds to the first folder that it is given.
  set(found "${PROJECT_BINARY_DIR}/fuzz/${name}")
  file(MAKE_DIRECTORY "${found}")
  set(runs ${openwop_fuzz_runs})
  if(DEFINED openwop_fuzz_runs_${name})
    set(runs ${openwop_fuzz_runs_${name}})
  endif()
  set(arguments -runs=${runs} -seed=1 "-artifact_prefix=${found}/")
  if(EXISTS "${openwop_fuzz_dir}/dict/${name}.dict")
    list(APPEND arguments "-dict=${openwop_fuzz_dir}/dict/${name}.dict")
  endif()
  if(OPENWOP_FUZZ)
    list(APPEND arguments "${found}")
  endif()
  add_test(NAME ${target} COMMAND ${target} ${arguments} "${openwop_fuzz_dir}/corpus/${name}")
  math(EXPR timeout "${openwop_timeout_default} * ${openwop_timeout_factor}")
  set_tests_properties(${target} PROPERTIES LABELS fuzz TIMEOUT ${timeout} ENVIRONMENT "${openwop_test_env}")
endforeach()
