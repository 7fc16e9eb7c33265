// The timeline page: /ui and the files below it. They hold no data: what the page shows it reads from the API, with the
// key that its user types in.
//
// Thread-safe.
#pragma once

#include <optional>

#include "openwop/protocol/http.h"
#include "openwop/protocol/openwop_surface.h"

namespace refserver {

class Ui {
 public:
  /// `surface` words the refusals.
  explicit Ui(const openwop::OpenWopSurface& surface) : surface_(surface) {}

  /// Nothing when the request is not for the page. HEAD gets the body too; whoever sends the answer leaves it out.
  [[nodiscard]] std::optional<openwop::http::Response> answer(const openwop::http::Request& request) const;

 private:
  const openwop::OpenWopSurface& surface_;
};

}  // namespace refserver
