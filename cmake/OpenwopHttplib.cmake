# cpp-httplib as a pkg-config module: distributions split it into a header and a shared library, and the definitions in
# its Cflags decide the layout of its classes, so they must reach every file that includes it.
pkg_check_modules(OPENWOP_HTTPLIB QUIET IMPORTED_TARGET cpp-httplib)
if(OPENWOP_HTTPLIB_FOUND)
  find_package(OpenSSL REQUIRED COMPONENTS SSL Crypto)
  add_library(openwop_httplib INTERFACE)
  target_link_libraries(openwop_httplib INTERFACE PkgConfig::OPENWOP_HTTPLIB OpenSSL::SSL Threads::Threads)
elseif(OPENWOP_BUILD_SERVER)
  message(FATAL_ERROR "cpp-httplib was not found; install it or configure with -DOPENWOP_BUILD_SERVER=OFF")
endif()
