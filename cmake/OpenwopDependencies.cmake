# Finds what the library links. The build and the installed package both include this file, so that a consumer's
# find_package(openwop) defines the same targets as our own build.

include(CMakeFindDependencyMacro)

# Inside find_package(openwop) a missing dependency must make openwop "not found"; in our own build it is an error.
macro(openwop_find_package)
  if(CMAKE_FIND_PACKAGE_NAME)
    find_dependency(${ARGN})
  else()
    find_package(${ARGN} REQUIRED)
  endif()
endmacro()

set(THREADS_PREFER_PTHREAD_FLAG ON)
openwop_find_package(Threads)
openwop_find_package(OpenSSL COMPONENTS Crypto)
openwop_find_package(fmt CONFIG)
openwop_find_package(simdjson CONFIG)
openwop_find_package(PkgConfig)

# RE2 has a CMake package only in newer releases; its pkg-config file is always there.
pkg_check_modules(OPENWOP_RE2 REQUIRED QUIET IMPORTED_TARGET re2)

# RapidJSON's CMake package defines a target in some releases only. It is headers: their folder is all we need.
if(NOT TARGET openwop::rapidjson)
  find_path(OPENWOP_RAPIDJSON_INCLUDE_DIR rapidjson/document.h REQUIRED)
  mark_as_advanced(OPENWOP_RAPIDJSON_INCLUDE_DIR)
  add_library(openwop::rapidjson INTERFACE IMPORTED)
  target_include_directories(openwop::rapidjson SYSTEM INTERFACE "${OPENWOP_RAPIDJSON_INCLUDE_DIR}")
  # For SizeType and the std::string overloads all code must agree, ours and the host's.
  target_compile_definitions(openwop::rapidjson INTERFACE RAPIDJSON_HAS_STDSTRING=1)
endif()

if(OPENWOP_WITH_CURL)
  # By pkg-config too: CMake's own module would take a static library with its dependencies unresolved.
  pkg_check_modules(OPENWOP_CURL REQUIRED QUIET IMPORTED_TARGET libcurl>=7.85)
endif()

if(OPENWOP_WITH_POSTGRES)
  pkg_check_modules(OPENWOP_LIBPQ REQUIRED QUIET IMPORTED_TARGET libpq>=14)
endif()

if(OPENWOP_WITH_ROCKSDB)
  # RocksDB's package is refused where a compression library's development files are missing. The shared library needs
  # none of them, so it is then found by hand.
  find_package(RocksDB CONFIG QUIET)
  if(NOT TARGET RocksDB::rocksdb-shared)
    find_path(OPENWOP_ROCKSDB_INCLUDE_DIR rocksdb/db.h REQUIRED)
    find_library(OPENWOP_ROCKSDB_LIBRARY rocksdb REQUIRED)
    mark_as_advanced(OPENWOP_ROCKSDB_INCLUDE_DIR OPENWOP_ROCKSDB_LIBRARY)
    add_library(RocksDB::rocksdb-shared UNKNOWN IMPORTED)
    set_target_properties(RocksDB::rocksdb-shared PROPERTIES
      IMPORTED_LOCATION "${OPENWOP_ROCKSDB_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${OPENWOP_ROCKSDB_INCLUDE_DIR}")
  endif()
endif()
