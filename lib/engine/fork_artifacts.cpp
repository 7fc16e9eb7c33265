#include "engine/fork_artifacts.h"

#include "engine/artifacts.h"
#include "engine/run_header.h"

namespace openwop::runtime {

Result<std::optional<std::string>> inherited_artifact(const Store& store, const RunId& run,
                                                      std::string_view artifact_id) {
  const std::optional<std::string> none;
  const Log log(store);
  auto row = log.header(run);
  if (!row) return std::move(row).error();
  auto header = decode_header(row->value_or(""));
  if (!header) return std::move(header).error();
  if (!header->fork) return none;
  std::optional<std::uint64_t> made;
  auto read = log.read(run, 0, [&](const EventView& event) {
    if (event.type != EventType::artifact_created) return true;
    const auto id = json::member(event.payload, "artifactId");
    if (id && json::as_string(*id) == artifact_id) made = event.sequence;
    return true;
  });
  if (!read) return std::move(read).error();
  if (!made) return none;
  const RunId& maker = header->fork->executor(*made);
  auto artifact = store.get(artifact_key(maker, artifact_id));
  if (!artifact || !artifact->has_value()) return artifact;
  // The fork's readers know the fork.
  const std::string member = R"("runId":")";
  if (const auto at = (*artifact)->find(member + maker.text()); at != std::string::npos) {
    (*artifact)->replace(at + member.size(), RunId::kTextLength, run.text());
  }
  return artifact;
}

}  // namespace openwop::runtime
