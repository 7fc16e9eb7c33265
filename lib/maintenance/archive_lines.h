// The lines of an archived run: written and read in one place.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "openwop/event.h"
#include "openwop/result.h"

namespace openwop::maintenance {

inline constexpr std::string_view kArchiveFormat = "openwop-run";

/// SHA-256 of what comes piece by piece.
class RunningHash {
 public:
  RunningHash();
  RunningHash(const RunningHash& other);
  RunningHash& operator=(const RunningHash& other);
  ~RunningHash() = default;
  void add(std::string_view bytes);
  /// Lower-case hexadecimal; the end of this object's use.
  [[nodiscard]] std::string hex();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

/// JSON that has to come back to the byte, as the member `name`, or `nameText` where it holds a line break.
void write_exactly(json::ObjectWriter& object, std::string_view name, std::string_view raw);
/// What write_exactly() wrote; nothing if it is not there.
[[nodiscard]] std::optional<std::string> read_exactly(std::string_view object, std::string_view name);

[[nodiscard]] std::string event_line(const EventView& event);
struct ArchivedEvent {
  std::uint64_t sequence = 0;
  std::uint32_t engine_version = 1;
  Event event;
};
/// `object` is the value of the line's member. Errors: validation_error.
[[nodiscard]] Result<ArchivedEvent> read_event_line(std::string_view object);

[[nodiscard]] std::string artifact_line(std::string_view id, std::string_view row);

}  // namespace openwop::maintenance
