// The smallest stranger: only installed headers, only the public interface.
#include <openwop/ids.h>
#include <openwop/result.h>

#include <cstdio>
#include <string>

namespace {

openwop::Result<openwop::Id> parse(const std::string& text) {
  const auto id = openwop::Id::parse(text);
  if (!id) return openwop::Error{openwop::ErrorCode::validation_error, "not an id"};
  return *id;
}

}  // namespace

int main() {
  openwop::RandomIdSource ids(1);
  const openwop::Id id = ids.next(1'700'000'000'000);
  const auto same = parse(id.text());
  const auto wrong = parse("nonsense");
  if (!same || *same != id || wrong || openwop::http_status(wrong.error().code) != 400) {
    std::puts("the installed library does not behave");
    return 1;
  }
  std::printf("%s\n", id.text().c_str());
  return 0;
}
