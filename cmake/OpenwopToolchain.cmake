# How everything of ours is compiled and linked: language level, build type, output folders, sanitizers, speed-ups.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

if(PROJECT_IS_TOP_LEVEL)
  get_property(is_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  if(NOT is_multi_config AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  # One folder for all programs: the tests start the server, and scripts find the benchmarks, by this path.
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
endif()

if(OPENWOP_SANITIZE)
  string(REPLACE ";" "," openwop_sanitizers "${OPENWOP_SANITIZE}")
  # Every object of the program must be instrumented alike, hence directory-wide and not per target.
  add_compile_options(-fsanitize=${openwop_sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${openwop_sanitizers})
  if("thread" IN_LIST OPENWOP_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC warns that fences are not modelled, also for fences inside the standard library.
    add_compile_options(-Wno-tsan)
  endif()
endif()

if(OPENWOP_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "OPENWOP_FUZZ needs Clang, which has libFuzzer; without it the targets have a driver of ours")
  endif()
  # Coverage of everything, for libFuzzer to be guided by; the targets link it.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()

if(OPENWOP_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(OPENWOP_CCACHE_PROGRAM ccache)
  find_program(OPENWOP_ENV_PROGRAM env)
  mark_as_advanced(OPENWOP_CCACHE_PROGRAM OPENWOP_ENV_PROGRAM)
  if(OPENWOP_CCACHE_PROGRAM AND OPENWOP_ENV_PROGRAM)
    # Without this sloppiness ccache refuses every compilation that uses a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER
      "${OPENWOP_ENV_PROGRAM}" "CCACHE_SLOPPINESS=pch_defines,time_macros" "${OPENWOP_CCACHE_PROGRAM}")
    if(OPENWOP_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      add_compile_options(-fpch-preprocess)
    elseif(OPENWOP_PCH AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    endif()
  endif()
endif()

if(OPENWOP_FAST_LINKER)
  include(CheckLinkerFlag)
  foreach(linker IN ITEMS mold lld)
    check_linker_flag(CXX "-fuse-ld=${linker}" OPENWOP_HAS_LINKER_${linker})
    if(OPENWOP_HAS_LINKER_${linker})
      add_link_options("-fuse-ld=${linker}")
      break()
    endif()
  endforeach()
endif()
