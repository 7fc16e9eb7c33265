// Import: batches and artifacts are written as they are read, under a row that says that they are nobody's yet; header,
// head and all that derives come with the last commit, once the hash is known to hold.
#include <algorithm>

#include "engine/artifacts.h"
#include "engine/fork_plan.h"
#include "engine/fork_state.h"
#include "engine/retention_rows.h"
#include "engine/run_header.h"
#include "engine/workflow_catalog.h"
#include "maintenance/archive_lines.h"
#include "maintenance/row_pages.h"
#include "maintenance/run_reading.h"
#include "openwop/json.h"
#include "openwop/protocol/test_runs.h"
#include "openwop/run_archive.h"
#include "openwop/workflow_parse.h"

namespace openwop {

namespace maintenance {
namespace {

constexpr std::size_t kEventsPerBatch = 512;
constexpr std::size_t kBytesPerBatch = std::size_t{1} << 20;
constexpr std::size_t kRowsPerCommit = 256;
constexpr json::Limits kLineLimits{kMaxArchiveLineBytes, 256};

Error refused(std::string why) { return {ErrorCode::validation_error, "the archive is refused: " + std::move(why)}; }

struct Manifest {
  RunId run;
  std::uint64_t events = 0;
  std::uint64_t artifacts = 0;
  bool unsettled = false;
  bool test = false;
  std::string header_row;
  std::shared_ptr<const RunHeader> header;
  std::shared_ptr<const Workflow> workflow;
  /// Of the history of a fork, where it is another one.
  std::shared_ptr<const Workflow> source;
};

std::optional<std::string> text_of(std::string_view object, std::string_view name) {
  const auto raw = json::member(object, name);
  return raw ? json::as_string(*raw) : std::nullopt;
}

Result<std::shared_ptr<const Workflow>> workflow_of(const std::string& source, const std::string& digest) {
  auto parsed = parse_workflow(source, {});
  if (!parsed) return refused("its workflow does not parse: " + parsed.error().message);
  if (parsed->digest != digest) return refused("its workflow is not the one that the run is pinned to");
  return std::make_shared<const Workflow>(std::move(*parsed));
}

Result<Manifest> read_manifest(std::string_view line) {
  const auto object = json::check(line, kLineLimits) ? json::member(line, "archive") : std::nullopt;
  if (!object || text_of(*object, "format") != kArchiveFormat) return refused("it does not begin as one does");
  const auto integer = [&](std::string_view name) {
    const auto raw = json::member(*object, name);
    return raw ? json::as_int(*raw).value_or(-1) : -1;
  };
  if (integer("version") > kRunArchiveVersion) {
    return Error{ErrorCode::store_version_unsupported, "the archive has version " + std::to_string(integer("version")) +
                                                           "; this build reads up to " +
                                                           std::to_string(kRunArchiveVersion)};
  }
  const auto run = RunId::parse(text_of(*object, "runId").value_or(""));
  const auto header_row = read_exactly(*object, "header");
  const auto workflow = text_of(*object, "workflow");
  if (integer("version") < 1 || !run || !header_row || !workflow || integer("events") < 0 || integer("artifacts") < 0) {
    return refused("its first line lacks something");
  }
  Manifest manifest{*run, static_cast<std::uint64_t>(integer("events")),
                    static_cast<std::uint64_t>(integer("artifacts"))};
  manifest.unsettled = json::member(*object, "unsettled").has_value();
  manifest.test = json::member(*object, "test").has_value();
  manifest.header_row = *header_row;
  auto header = runtime::decode_header(*header_row);
  if (!header || text_of(*object, "tenant") != header->tenant) return refused("its header does not decode");
  manifest.header = std::make_shared<const RunHeader>(std::move(*header));
  auto parsed = workflow_of(*workflow, manifest.header->workflow_digest);
  if (!parsed) return std::move(parsed).error();
  manifest.workflow = std::move(*parsed);
  if (const auto source = text_of(*object, "sourceWorkflow"); source && manifest.header->fork) {
    auto parsed_source = workflow_of(*source, manifest.header->fork->source_workflow_digest);
    if (!parsed_source) return std::move(parsed_source).error();
    manifest.source = std::move(*parsed_source);
  }
  return manifest;
}

class Import {
 public:
  Import(Store& store, const std::function<Result<std::optional<std::string>>()>& read) : store_(store), read_(read) {}

  [[nodiscard]] Result<RunArchive> run() {
    auto line = next_line();
    if (!line) return std::move(line).error();
    auto manifest = read_manifest(*line);
    if (!manifest) return std::move(manifest).error();
    manifest_ = std::move(*manifest);
    const std::string header_key = Log::header_key(manifest_.run);
    auto there = store_.get(header_key);
    if (!there) return std::move(there).error();
    if (there->has_value()) return same_run();
    if (auto begun = begin(); !begun) return std::move(begun).error();
    auto done = take_lines();
    if (done) done = publish();
    if (done) return archive();
    // Best left as it was; if not even that works, the next engine does it.
    static_cast<void>(clear());
    return std::move(done).error();
  }

 private:
  /// Errors: validation_error at the end of the file.
  [[nodiscard]] Result<std::string> next_line() {
    auto line = read_();
    if (!line) return std::move(line).error();
    if (!line->has_value()) return refused("it is cut short");
    if ((*line)->size() > kMaxArchiveLineBytes) {
      return Error{ErrorCode::payload_too_large, "a line of the archive is longer than max_archive_line_bytes"};
    }
    hash_before_ = hash_;  // of what precedes this line
    hash_.add(**line);
    hash_.add("\n");
    return **std::move(line);
  }

  [[nodiscard]] RunArchive archive() const {
    return {manifest_.run, state_.status, manifest_.events, manifest_.artifacts};
  }

  /// A run of that id is there: nothing to do if it gives the same archive.
  [[nodiscard]] Result<RunArchive> same_run() {
    std::string sha;
    while (sha.empty()) {
      auto line = next_line();
      if (!line) return std::move(line).error();
      auto trailer = trailer_of(*line);
      if (!trailer) return std::move(trailer).error();
      sha = *trailer;
    }
    std::string own;
    auto exported = export_run(store_, manifest_.run, [&](std::string_view line) {
      own = line;
      return Status{};
    });
    if (!exported && exported.error().code != ErrorCode::conflict) return std::move(exported).error();
    if (!exported || text_of(own, "sha256") != sha) {
      return Error{ErrorCode::conflict, "run " + manifest_.run.text() + " is there already, and is not the same"};
    }
    exported->unchanged = true;
    return exported;
  }

  /// The hash that the last line holds, once it is known to be right; empty for another line.
  [[nodiscard]] Result<std::string> trailer_of(std::string_view line) {
    if (!line.starts_with(R"({"sha256":)")) return std::string();
    // Byte for byte: nothing vouches for this line itself.
    std::string sha = hash_before_.hex();
    std::string trailer;
    json::ObjectWriter(trailer).string("sha256", sha);
    if (line != trailer) return refused("its hash does not hold: it was altered");
    return sha;
  }

  [[nodiscard]] Status commit(const Transaction& transaction, const char* why) {
    auto outcome = store_.commit(transaction, Durability::sync);
    if (!outcome) return std::move(outcome).error();
    if (*outcome == CommitOutcome::committed) return {};
    return Error{ErrorCode::conflict, why};
  }

  /// From here on rows of the run are nobody's. Those of an import that was cut off go.
  [[nodiscard]] Status begin() {
    const auto kept = store_.get(runtime::kept_key(manifest_.run));
    if (!kept) return kept.error();
    bool needed = kept->has_value();
    auto forks =
        runtime::forks_of(store_, manifest_.run, [&](const RunId&, std::uint64_t) { return !(needed = true); });
    if (!forks) return forks;
    if (needed) return Error{ErrorCode::conflict, "forks of the run are there, and what they need of its log"};
    Transaction transaction;
    transaction.require_absent(Log::header_key(manifest_.run));
    transaction.require_absent(Log::head_key(manifest_.run));
    transaction.put(runtime::removing_key(manifest_.run), runtime::encode_references({}));
    if (auto marked = commit(transaction, "the run is there already"); !marked) return marked;
    return clear_rows();
  }

  [[nodiscard]] Status clear_rows() {
    for (const std::string& prefix : {Log::run_prefix(manifest_.run), runtime::artifact_key(manifest_.run, {})}) {
      for (;;) {
        const auto page = read_page(store_, prefix, prefix_end(prefix));
        if (!page) return page.error();
        if (page->empty()) break;
        Transaction transaction;
        for (std::size_t i = 0; i < std::min(page->size(), kRowsPerCommit); ++i) transaction.erase((*page)[i].key);
        if (auto cleared = commit(transaction, ""); !cleared) return cleared;
      }
    }
    return {};
  }

  [[nodiscard]] Status clear() {
    if (auto cleared = clear_rows(); !cleared) return cleared;
    Transaction transaction;
    transaction.erase(runtime::removing_key(manifest_.run));
    return commit(transaction, "");
  }

  [[nodiscard]] Status take_lines() {
    state_ = runtime::initial_state(*manifest_.header);
    fold_.emplace(state_, *manifest_.header, nullptr, nullptr);
    std::uint64_t artifacts = 0;
    for (;;) {
      auto line = next_line();
      if (!line) return std::move(line).error();
      auto trailer = trailer_of(*line);
      if (!trailer) return std::move(trailer).error();
      if (!trailer->empty()) break;
      if (!json::check(*line, kLineLimits)) return refused("a line of it is no JSON");
      const auto event = json::member(*line, "event");
      const auto artifact = json::member(*line, "artifact");
      if (!event && !artifact) return refused("it holds a line of an unknown kind");
      auto taken = event ? take_event(*event) : take_artifact(*artifact);
      if (!taken) return taken;
      artifacts += event ? 0 : 1;
    }
    if (auto written = write_batch(); !written) return written;
    fold_->finish();
    if (next_ != manifest_.events || artifacts != manifest_.artifacts) {
      return refused("it holds less or more than its first line says");
    }
    auto more = read_();
    if (!more) return std::move(more).error();
    return more->has_value() ? Status(refused("lines follow its last one")) : Status{};
  }

  [[nodiscard]] Status take_event(std::string_view object) {
    auto archived = read_event_line(object);
    if (!archived) return std::move(archived).error();
    if (archived->sequence != next_) return refused("event " + std::to_string(next_) + " is missing");
    if (ended_) return refused("events follow the terminal one");
    const bool full = batch_.size() >= kEventsPerBatch || batch_bytes_ >= kBytesPerBatch;
    if (full || (!batch_.empty() && archived->engine_version != engine_version_)) {
      if (auto written = write_batch(); !written) return written;
    }
    engine_version_ = archived->engine_version;
    fold_->add(view_of(archived->event, next_, engine_version_));
    ended_ = is_terminal(archived->event.type);
    ++next_;
    batch_bytes_ += archived->event.payload.size() + archived->event.hidden.size();
    batch_.push_back(std::move(archived->event));
    return {};
  }

  [[nodiscard]] Status write_batch() {
    if (batch_.empty()) return {};
    Transaction transaction;
    transaction.put(Log::batch_key(manifest_.run, next_ - batch_.size()), Log::encode_batch(batch_, engine_version_));
    batch_.clear();
    batch_bytes_ = 0;
    return commit(transaction, "");
  }

  [[nodiscard]] Status take_artifact(std::string_view object) {
    const auto id = text_of(object, "id");
    const auto row = read_exactly(object, "row");
    const std::string key = runtime::artifact_key(manifest_.run, id.value_or(""));
    if (!id || id->empty() || key.size() > kMaxKeyBytes || !row) return refused("an artifact of it does not read");
    Transaction transaction;
    transaction.put(key, *row);
    return commit(transaction, "");
  }

  /// Header, head, definitions, and what derives.
  [[nodiscard]] Status publish() {
    RunReading reading;
    reading.run = {manifest_.run, manifest_.header, manifest_.workflow, state_};
    reading.ended = ended_;
    reading.events = next_;
    reading.marks.emplace().unsettled = manifest_.unsettled;
    if (manifest_.header->is_replay()) {
      if (!ended_) return refused("it is a replay that has not ended");
      reading.marks->replay_next = manifest_.header->fork->source_end + 1;
    }
    const auto head = implied_head(reading);
    const auto marks = head ? runtime::RunMarks::decode(head->summary) : Result<runtime::RunMarks>(refused("no head"));
    if (!marks) return marks.error();
    auto rows = implied_rows(store_, reading, *marks);
    if (!rows) return std::move(rows).error();
    Transaction transaction;
    transaction.require_absent(Log::header_key(manifest_.run));
    transaction.require_equals(runtime::removing_key(manifest_.run), runtime::encode_references({}));
    transaction.erase(runtime::removing_key(manifest_.run));
    transaction.put(Log::header_key(manifest_.run), manifest_.header_row);
    transaction.put(Log::head_key(manifest_.run), head->encode());
    for (const auto& [key, value] : *rows) {
      // Whatever derives is the run's alone, but for its scope.
      if (key.starts_with("Ix")) transaction.require_absent(key);
      transaction.put(key, value);
    }
    if (manifest_.test) transaction.put(std::string(1, kTestRunPrefix).append(manifest_.run.view()), "\x01");
    for (const auto& workflow : {manifest_.source, manifest_.workflow}) {
      if (auto added = add_workflow(workflow, transaction); !added) return added;
    }
    if (auto added = add_end(*marks, transaction); !added) return added;
    return commit(transaction, "the run, or another one in its scope, is there already");
  }

  /// The newest of an id stays what it is here.
  [[nodiscard]] Status add_workflow(const std::shared_ptr<const Workflow>& workflow, Transaction& transaction) {
    if (!workflow) return {};
    transaction.put(runtime::workflow_key(workflow->digest), workflow->source);
    const std::string newest = runtime::newest_workflow_key(workflow->id);
    auto known = store_.get(newest);
    if (!known) return std::move(known).error();
    if (!known->has_value()) transaction.put(newest, workflow->digest);
    return {};
  }

  [[nodiscard]] Status add_end(const runtime::RunMarks& marks, Transaction& transaction) {
    auto retained = store_.get(runtime::retention_prefix(runtime::RetentionRow::complete));
    if (!retained) return std::move(retained).error();
    if (!retained->has_value() || !ended_) return {};
    transaction.put(runtime::ended_key(runtime::ended_ms_of(marks), manifest_.run), {});
    return {};
  }

  Store& store_;
  const std::function<Result<std::optional<std::string>>()>& read_;
  RunningHash hash_;
  RunningHash hash_before_;
  Manifest manifest_;
  RunState state_;
  std::optional<runtime::RunFold> fold_;
  std::uint64_t next_ = 0;
  bool ended_ = false;
  std::uint32_t engine_version_ = 1;
  std::vector<Event> batch_;
  std::size_t batch_bytes_ = 0;
};

}  // namespace
}  // namespace maintenance

Result<RunArchive> import_run(Store& store, const std::function<Result<std::optional<std::string>>()>& read) {
  return maintenance::Import(store, read).run();
}

}  // namespace openwop
