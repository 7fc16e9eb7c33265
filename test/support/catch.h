// The one way a test includes Catch2: version 2 is a single header, version 3 is many.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
// Version 2 had these in the global namespace of its header.
using Catch::Approx;
using namespace Catch::Matchers;
#else
#include <catch2/catch.hpp>
#endif
