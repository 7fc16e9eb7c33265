// Stands in front of valijson's header of the same name. With VALIJSON_USE_EXCEPTIONS that header replaces
// RAPIDJSON_ASSERT by a throwing version: RapidJSON's inline functions would then differ between the files that include
// valijson and those that do not (one definition rule), and it warns when RapidJSON came first. Hiding the macro from
// that one header keeps exceptions for bad schemas and RapidJSON as it is everywhere else.
#pragma once

#include <rapidjson/document.h>
// First, because it decides by the same macro whether a bad schema throws or aborts.
#include <valijson/exceptions.hpp>

#pragma push_macro("VALIJSON_USE_EXCEPTIONS")
#undef VALIJSON_USE_EXCEPTIONS
#include_next <valijson/adapters/rapidjson_adapter.hpp>
#pragma pop_macro("VALIJSON_USE_EXCEPTIONS")
