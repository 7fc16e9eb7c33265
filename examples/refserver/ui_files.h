// The files of examples/refserver/ui as they were when the server was built: the binary needs none of them at run time.
// Defined by a generated source (cmake/embed_ui.cmake).
#pragma once

#include <span>
#include <string_view>

namespace refserver {

struct UiFile {
  std::string_view name;
  /// SHA-256 of the text, in hexadecimal.
  std::string_view digest;
  std::string_view text;
};

[[nodiscard]] std::span<const UiFile> ui_files();

}  // namespace refserver
