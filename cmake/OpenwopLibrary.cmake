# The library: one static archive from lib/, plus the embedded schemas.

file(GLOB_RECURSE openwop_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/lib/*.cpp")
list(FILTER openwop_sources EXCLUDE REGEX "/lib/testing/")
if(NOT OPENWOP_WITH_ROCKSDB)
  list(FILTER openwop_sources EXCLUDE REGEX "/lib/stores/rocksdb/")
endif()
if(OPENWOP_WITH_POSTGRES)
  list(FILTER openwop_sources EXCLUDE REGEX "/lib/stores/postgres_absent")
else()
  list(FILTER openwop_sources EXCLUDE REGEX "/lib/stores/postgres/")
endif()
if(NOT OPENWOP_WITH_CURL)
  list(FILTER openwop_sources EXCLUDE REGEX "/lib/net/curl_")
endif()

add_library(openwop STATIC ${openwop_sources} "${OPENWOP_SCHEMAS_CPP}")
add_library(openwop::openwop ALIAS openwop)
add_dependencies(openwop openwop_schemas)
openwop_warnings(openwop)
# Clang objects to literals longer than the standard's minimum; some schemas are.
set_source_files_properties("${OPENWOP_SCHEMAS_CPP}" PROPERTIES COMPILE_OPTIONS -Wno-overlength-strings)

target_compile_features(openwop PUBLIC cxx_std_20)
# A host may link the archive into a shared library of its own.
set_target_properties(openwop PROPERTIES POSITION_INDEPENDENT_CODE ON)

target_include_directories(openwop
  PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>"
  PRIVATE
    "${PROJECT_SOURCE_DIR}/lib"
    "${OPENWOP_GENERATED_DIR}")

# Headers only and used only inside lib/: never part of what a consumer has to find.
find_path(OPENWOP_VALIJSON_INCLUDE_DIR valijson/validator.hpp REQUIRED)
mark_as_advanced(OPENWOP_VALIJSON_INCLUDE_DIR)
add_library(openwop_valijson INTERFACE)
target_include_directories(openwop_valijson SYSTEM INTERFACE
  "${PROJECT_SOURCE_DIR}/cmake/shims" "${OPENWOP_VALIJSON_INCLUDE_DIR}")
target_compile_definitions(openwop_valijson INTERFACE VALIJSON_USE_EXCEPTIONS=1)

target_link_libraries(openwop
  PUBLIC simdjson::simdjson fmt::fmt OpenSSL::Crypto openwop::rapidjson Threads::Threads
  PRIVATE PkgConfig::OPENWOP_RE2 "$<BUILD_INTERFACE:openwop_valijson>")

if(OPENWOP_WITH_ROCKSDB)
  target_link_libraries(openwop PRIVATE RocksDB::rocksdb-shared)
  target_compile_definitions(openwop PUBLIC OPENWOP_HAS_ROCKSDB=1)
endif()

if(OPENWOP_WITH_POSTGRES)
  # Its headers are for the store's own files: the include folder goes to no other.
  target_link_libraries(openwop PRIVATE "$<LINK_ONLY:PkgConfig::OPENWOP_LIBPQ>")
  set(openwop_postgres_sources ${openwop_sources})
  list(FILTER openwop_postgres_sources INCLUDE REGEX "/lib/stores/postgres/")
  set_source_files_properties(${openwop_postgres_sources} PROPERTIES INCLUDE_DIRECTORIES "${OPENWOP_LIBPQ_INCLUDE_DIRS}")
endif()

if(OPENWOP_WITH_CURL)
  target_link_libraries(openwop PRIVATE PkgConfig::OPENWOP_CURL)
  target_compile_definitions(openwop PUBLIC OPENWOP_HAS_CURL=1)
endif()

if(OPENWOP_PCH)
  target_precompile_headers(openwop PRIVATE "${PROJECT_SOURCE_DIR}/cmake/pch_lib.h")
endif()

# What hosts test their workflows with; a library of its own, because no program in use needs it.
file(GLOB openwop_testing_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/lib/testing/*.cpp")
add_library(openwop_testing STATIC ${openwop_testing_sources})
add_library(openwop::testing ALIAS openwop_testing)
openwop_warnings(openwop_testing)
set_target_properties(openwop_testing PROPERTIES EXPORT_NAME testing POSITION_INDEPENDENT_CODE ON)
target_include_directories(openwop_testing PRIVATE "${PROJECT_SOURCE_DIR}/lib")
target_link_libraries(openwop_testing PUBLIC openwop)
if(OPENWOP_PCH)
  target_precompile_headers(openwop_testing PRIVATE "${PROJECT_SOURCE_DIR}/cmake/pch_lib.h")
endif()

# What the tests and benchmarks see beyond the public interface: lib/, the embedded schemas, the private dependencies.
add_library(openwop_internal INTERFACE)
target_include_directories(openwop_internal INTERFACE "${PROJECT_SOURCE_DIR}/lib" "${OPENWOP_GENERATED_DIR}")
target_link_libraries(openwop_internal INTERFACE openwop openwop_valijson PkgConfig::OPENWOP_RE2)
if(OPENWOP_WITH_ROCKSDB)
  target_link_libraries(openwop_internal INTERFACE RocksDB::rocksdb-shared)
endif()
