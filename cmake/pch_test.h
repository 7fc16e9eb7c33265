// Precompiled for the tests: what the library's has, and Catch2, whose header costs more than most tests.
#pragma once

#include "pch_lib.h"
#include "support/catch.h"
