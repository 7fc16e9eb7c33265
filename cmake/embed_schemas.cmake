# Script: writes OUT_CPP and OUT_H from the JSON files named, one a line, in LIST_FILE.
#   workflow-definition.schema.json and workflow-definition.json are both named workflow_definition.

cmake_minimum_required(VERSION 3.25)

file(STRINGS "${LIST_FILE}" paths)

set(declarations "")
set(definitions "")
set(rows "")
set(seen "")
set(count 0)

foreach(path IN LISTS paths)
  get_filename_component(file_name "${path}" NAME)
  string(REGEX REPLACE "(\\.schema)?\\.json$" "" name "${file_name}")
  string(REGEX REPLACE "[^A-Za-z0-9_]" "_" name "${name}")
  if(name MATCHES "^[0-9]")
    string(PREPEND name "_")
  endif()
  if(name IN_LIST seen)
    message(FATAL_ERROR "two schema files give the name '${name}'; the second is ${file_name}")
  endif()
  list(APPEND seen "${name}")

  file(READ "${path}" text)
  # A delimiter that the text itself cannot close.
  set(delimiter "json")
  set(attempt 0)
  string(FIND "${text}" ")${delimiter}\"" position)
  while(NOT position EQUAL -1)
    math(EXPR attempt "${attempt} + 1")
    set(delimiter "json${attempt}")
    string(FIND "${text}" ")${delimiter}\"" position)
  endwhile()

  string(APPEND declarations "extern const std::string_view ${name};\n")
  string(APPEND definitions "constinit const std::string_view ${name} = R\"${delimiter}(${text})${delimiter}\"sv;\n\n")
  string(APPEND rows "    {\"${file_name}\", ${name}},\n")
  math(EXPR count "${count} + 1")
endforeach()

file(CONFIGURE OUTPUT "${OUT_H}" @ONLY CONTENT [[// Generated from schemas/*.json; do not edit.
#pragma once

#include <span>
#include <string_view>

namespace openwop::schemas {

struct EmbeddedFile {
  std::string_view file_name;
  std::string_view text;
};

// Every embedded file, ordered by file name.
std::span<const EmbeddedFile> embedded_files();

@declarations@
}  // namespace openwop::schemas
]])

if(count GREATER 0)
  set(table "static const EmbeddedFile kFiles[] = {\n${rows}  };\n  return kFiles;")
else()
  set(table "return {};")
endif()

# Written with file(WRITE) and not configured: schema text may hold '@'.
file(WRITE "${OUT_CPP}" "// Generated from schemas/*.json; do not edit.
#include \"openwop/embedded_schemas.h\"

namespace openwop::schemas {

using std::string_view_literals::operator\"\"sv;

${definitions}std::span<const EmbeddedFile> embedded_files() {
  ${table}
}

}  // namespace openwop::schemas
")
