# openwop_warnings(<target>): the warnings our own code is held to. Private, so users of the library keep their own.
function(openwop_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    # Designated initialisers name the fields that matter; the others keep their defaults on purpose.
    -Wno-missing-field-initializers
    # GCC's -Wconversion leaves sign conversions out in C++; this gives Clang the same meaning.
    $<$<CXX_COMPILER_ID:Clang,AppleClang>:-Wno-sign-conversion>
    $<$<BOOL:${OPENWOP_WERROR}>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 reports these inside std::string's own operator+ in C++20 (GCC bug 105651); the sanitizers find real ones.
    target_compile_options(${target} PRIVATE
      -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND OPENWOP_SANITIZE)
    # Instrumentation hides from GCC that std::optional and std::variant check before they read.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
endfunction()
