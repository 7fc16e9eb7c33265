#include "openwop/postgres_store.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "openwop/random_text.h"
#include "stores/postgres/change_hints.h"
#include "stores/postgres/group_plan.h"
#include "stores/postgres/group_writer.h"
#include "stores/postgres/range_scan.h"
#include "stores/postgres/schema.h"
#include "stores/postgres/scoped_key.h"
#include "stores/postgres/session_pool.h"
#include "stores/postgres/store_lock.h"

namespace openwop {
namespace {

using pg::FailureKind;
using pg::SqlFailure;

class PostgresStore final : public Store {
 public:
  PostgresStore(const PostgresOptions& options, const std::string& store_id, std::unique_ptr<pg::Connection> lock)
      : lock_(std::move(lock)), pool_(options, store_id) {
    if (options.change_hints) hints_.emplace(options, store_id);
  }

  [[nodiscard]] Result<std::optional<std::string>> get(std::string_view key) const override;
  [[nodiscard]] Status scan(const ScanRange& range, const RowVisitor& visit) const override;

  using Store::commit;
  [[nodiscard]] Result<std::vector<CommitOutcome>> commit(std::span<const Transaction* const> group,
                                                          Durability durability) override;

  void on_foreign_change(std::function<void()> hint) override {
    if (hints_) hints_->set_callback(std::move(hint));
  }

 private:
  template <class Work>
  Status with_session(std::string_view doing, Work work) const;

  std::unique_ptr<pg::Connection> lock_;  // may be null
  mutable pg::SessionPool pool_;
  std::optional<pg::ChangeHints> hints_;
};

/// Carries out `work(Session&)`, which gives the failure it met, again and again while that may help.
template <class Work>
Status PostgresStore::with_session(std::string_view doing, Work work) const {
  auto session = pool_.acquire();
  if (!session) return std::move(session).error();
  for (int attempts = 1;; ++attempts) {
    auto failure = pool_.make_ready(**session);
    if (!failure) failure = work(**session);
    if (!failure) return {};
    auto& connection = (*session)->connection;
    if (connection && !connection->usable()) connection.reset();
    if (!pool_.may_repeat(attempts, failure->kind)) return pg::to_error(*failure, doing);
  }
}

Result<std::optional<std::string>> PostgresStore::get(std::string_view key) const {
  std::optional<std::string> value;
  pg::Parameters parameters;
  parameters.bytes(pg::split(key).scope).bytes(pg::split(key).rest);
  const std::array calls = {pg::Call{pg::Statement::get, &parameters}};
  auto done = with_session("read of a row", [&](pg::Session& session) -> std::optional<SqlFailure> {
    auto answers = session.connection->run(calls);
    if (answers.failure) return std::move(answers.failure);
    const PGresult& rows = *answers.results.front();
    if (PQntuples(&rows) > 0) value = pg::field(rows, 0, 0);
    return std::nullopt;
  });
  if (!done) return std::move(done).error();
  return value;
}

Status PostgresStore::scan(const ScanRange& range, const RowVisitor& visit) const {
  if (!range.end.empty() && range.end <= range.begin) return {};
  return with_session("scan", [&](pg::Session& session) -> std::optional<SqlFailure> {
    return pg::scan_range(*session.connection, range, visit, pool_.options().scan_page_rows);
  });
}

Result<std::vector<CommitOutcome>> PostgresStore::commit(std::span<const Transaction* const> group,
                                                         Durability durability) {
  if (auto limits = check_limits(group); !limits) return std::move(limits).error();
  // Nothing is known at first, so all preconditions are taken to hold: the usual case, and one round trip.
  pg::KnownRows known;
  std::vector<CommitOutcome> outcomes;
  const auto required = pg::required_keys(group);
  const auto attempt = [&](pg::Session& session) -> std::optional<SqlFailure> {
    for (int round = 0; round < std::max(pool_.options().max_contended_rounds, 1); ++round) {
      const auto plan = pg::plan_group(group, known);
      outcomes = plan.outcomes;
      if (plan.empty()) return std::nullopt;
      auto written = pg::write_plan(pool_, session, plan, durability);
      if (auto* failure = std::get_if<SqlFailure>(&written)) return std::move(*failure);
      if (std::get<pg::Written>(written) == pg::Written::committed) {
        if (hints_) hints_->note_commit();
        return std::nullopt;
      }
      if (!session.connection) return SqlFailure{FailureKind::connection, "connection lost"};
      auto rows = pg::read_rows(*session.connection, required);
      if (auto* failure = std::get_if<SqlFailure>(&rows)) return std::move(*failure);
      known = std::get<pg::KnownRows>(std::move(rows));
    }
    return SqlFailure{FailureKind::final, "other writers changed the same rows too often (max_contended_rounds)"};
  };
  if (auto done = with_session("commit", attempt); !done) return std::move(done).error();
  return outcomes;
}

Status prepare_database(const PostgresOptions& options) {
  pg::SessionPool pool(options, {});
  for (int attempts = 1;; ++attempts) {
    auto opened = pg::Connection::open(options);
    if (auto* connection = std::get_if<std::unique_ptr<pg::Connection>>(&opened)) {
      const auto known = pg::migrations(options);
      return pg::settle_schema(**connection, known, options.create_if_missing);
    }
    const auto& failure = std::get<SqlFailure>(opened);
    if (!pool.may_repeat(attempts, failure.kind)) return pg::to_error(failure, "open of the database");
  }
}

}  // namespace

Result<std::unique_ptr<Store>> open_postgres_store(const PostgresOptions& options) {
  if (auto prepared = prepare_database(options); !prepared) return std::move(prepared).error();
  auto lock = pg::lock_store(options);
  if (!lock) return std::move(lock).error();
  // Of this object alone: two on one database must never take each other's slots for their own.
  constexpr std::size_t kStoreIdBytes = 16;
  return std::unique_ptr<Store>(std::make_unique<PostgresStore>(options, random_hex(kStoreIdBytes), *std::move(lock)));
}

}  // namespace openwop
