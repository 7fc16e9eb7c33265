# Script: writes OUT_CPP, the table of refserver::ui_files(), from the files named, one a line, in LIST_FILE.

cmake_minimum_required(VERSION 3.25)

file(STRINGS "${LIST_FILE}" paths)

set(rows "")
foreach(path IN LISTS paths)
  get_filename_component(name "${path}" NAME)
  file(SHA256 "${path}" digest)
  file(READ "${path}" text)
  # A delimiter that the text itself cannot close.
  set(delimiter "ui")
  set(attempt 0)
  string(FIND "${text}" ")${delimiter}\"" position)
  while(NOT position EQUAL -1)
    math(EXPR attempt "${attempt} + 1")
    set(delimiter "ui${attempt}")
    string(FIND "${text}" ")${delimiter}\"" position)
  endwhile()
  string(APPEND rows "    {\"${name}\"sv, \"${digest}\"sv,\n     R\"${delimiter}(${text})${delimiter}\"sv},\n")
endforeach()

# Written with file(WRITE) and not configured: the files may hold '@'.
file(WRITE "${OUT_CPP}" "// Generated from examples/refserver/ui; do not edit.
#include \"ui_files.h\"

namespace refserver {

using std::string_view_literals::operator\"\"sv;

namespace {
constexpr UiFile kFiles[] = {
${rows}};
}  // namespace

std::span<const UiFile> ui_files() { return kFiles; }

}  // namespace refserver
")
