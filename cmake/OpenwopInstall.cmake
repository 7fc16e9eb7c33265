# Headers, archive, CMake package and pkg-config file. Component "development" is the library without the programs.

include(CMakePackageConfigHelpers)

set(openwop_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/openwop")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/openwop"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  COMPONENT development
  FILES_MATCHING PATTERN "*.h")
install(TARGETS openwop openwop_testing EXPORT openwopTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
install(EXPORT openwopTargets
  NAMESPACE openwop::
  DESTINATION "${openwop_cmake_dir}"
  COMPONENT development)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/openwopConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/openwopConfig.cmake"
  INSTALL_DESTINATION "${openwop_cmake_dir}"
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/openwopConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/openwopConfig.cmake"
  "${PROJECT_BINARY_DIR}/openwopConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/OpenwopDependencies.cmake"
  DESTINATION "${openwop_cmake_dir}"
  COMPONENT development)

# pkg-config: paths relative to the .pc file keep an installed tree movable. The library is only an archive, so what it
# links privately is needed by every consumer too.
set(openwop_pc_requires "simdjson fmt libcrypto RapidJSON re2")
set(openwop_pc_cflags "-DRAPIDJSON_HAS_STDSTRING=1")
if(OPENWOP_WITH_ROCKSDB)
  string(APPEND openwop_pc_requires " rocksdb")
  string(APPEND openwop_pc_cflags " -DOPENWOP_HAS_ROCKSDB=1")
endif()
if(OPENWOP_WITH_POSTGRES)
  string(APPEND openwop_pc_requires " libpq")
endif()
if(OPENWOP_WITH_CURL)
  string(APPEND openwop_pc_requires " libcurl")
  string(APPEND openwop_pc_cflags " -DOPENWOP_HAS_CURL=1")
endif()
cmake_path(SET openwop_pc_dir NORMALIZE "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH openwop_pc_dir BASE_DIRECTORY "/prefix" OUTPUT_VARIABLE openwop_pc_below_prefix)
file(RELATIVE_PATH openwop_pc_up "/prefix/${openwop_pc_below_prefix}" "/prefix")
configure_file("${PROJECT_SOURCE_DIR}/cmake/openwop.pc.in" "${PROJECT_BINARY_DIR}/openwop.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/openwop.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
  COMPONENT development)

if(TARGET openwop-refserver)
  install(TARGETS openwop-refserver RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT server)
endif()
