// World: the OpenWOP surface on a driven engine in memory, with a run in each state that a request can meet. Time
// stands still and ids are counted, so two worlds are equal; a request that changes one calls for a fresh one.
//
// Thread-safety: belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "openwop/engine.h"
#include "openwop/memory_store.h"
#include "openwop/protocol/openwop_surface.h"

namespace openwop::fuzz {

/// MemoryStore that counts what is written.
class CountedStore final : public Store {
 public:
  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override { return rows_.get(key); }
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override {
    return rows_.scan(range, visit);
  }
  using Store::commit;
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override;

  /// Rows written or erased so far: outcomes that the ledger remembers, and all others.
  [[nodiscard]] std::uint64_t ledger_writes() const { return ledger_writes_; }
  [[nodiscard]] std::uint64_t other_writes() const { return other_writes_; }

 private:
  MemoryStore rows_;
  std::uint64_t ledger_writes_ = 0;
  std::uint64_t other_writes_ = 0;
};

class World {
 public:
  World();

  /// `{live}`, `{ended}`, `{failed}`, `{paused}`, `{approval}`, `{question}`, `{event}`, `{talk}`, `{artifact}` become
  /// ids of such runs, `{token}` and `{webhook}` what they say.
  [[nodiscard]] std::string with_names(std::string text) const;
  [[nodiscard]] http::Reply handle(const http::Request& request) { return surface_->handle(request); }
  /// Lets the engine do what is due.
  void settle() { engine_->tick(clock_->now_ms()); }

  [[nodiscard]] const CountedStore& store() const { return *store_; }
  [[nodiscard]] bool changed() const { return writes() != writes_at_first_; }

 private:
  [[nodiscard]] std::uint64_t writes() const { return store_->ledger_writes() + store_->other_writes(); }
  void open();
  void add_workflows();
  void make_runs();
  void name_run(std::string name, std::string_view workflow);
  [[nodiscard]] std::string must(std::string method, std::string target, std::string body, int status);

  std::shared_ptr<CountedStore> store_ = std::make_shared<CountedStore>();
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>();
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<OpenWopSurface> surface_;
  std::vector<std::pair<std::string, std::string>> names_;
  std::uint64_t writes_at_first_ = 0;
};

}  // namespace openwop::fuzz
