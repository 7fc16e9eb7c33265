#include "stores/postgres/group_writer.h"

#include <array>
#include <deque>

#include "stores/postgres/scoped_key.h"

namespace openwop::pg {
namespace {

/// Values beyond it go into one more statement of the same kind: a server takes no parameter of a gigabyte.
constexpr std::size_t kMaxStatementBytes = std::size_t{16} << 20;

enum class Columns : std::uint8_t { key, key_and_value };
enum class Counted : std::uint8_t { no, yes };

/// The calls of a pipeline with the bytes they send.
class Pipeline {
 public:
  void add(Statement statement) { calls_.push_back({statement}); }

  Parameters& add_with_parameters(Statement statement) {
    Parameters& parameters = parameters_.emplace_back();
    calls_.push_back({statement, &parameters});
    return parameters;
  }

  void add_rows(Statement statement, const std::vector<PlannedRow>& rows, Columns columns, Counted counted) {
    for (std::size_t next = 0; next < rows.size();) {
      auto& [scopes, rests, values] = arrays_.emplace_back();
      do {
        const auto key = split(rows[next].key);
        scopes.add(key.scope);
        rests.add(key.rest);
        if (columns == Columns::key_and_value) values.add(rows[next].value);
        ++next;
      } while (next < rows.size() && values.byte_size() + rows[next].value.size() <= kMaxStatementBytes);
      Parameters& parameters = add_with_parameters(statement);
      parameters.array(scopes).array(rests);
      if (columns == Columns::key_and_value) parameters.array(values);
      if (counted == Counted::yes) parameters.int8(scopes.count());
    }
  }

  [[nodiscard]] std::span<const Call> calls() const { return calls_; }

 private:
  std::vector<Call> calls_;
  std::deque<Parameters> parameters_;
  std::deque<std::array<ByteaArray, 3>> arrays_;
};

void add_plan(Pipeline& pipeline, const GroupPlan& plan) {
  pipeline.add_rows(Statement::check_shared, plan.held_shared, Columns::key_and_value, Counted::yes);
  pipeline.add_rows(Statement::check_owned, plan.held_owned, Columns::key_and_value, Counted::yes);
  pipeline.add_rows(Statement::insert, plan.insert, Columns::key_and_value, Counted::no);
  pipeline.add_rows(Statement::upsert, plan.upsert, Columns::key_and_value, Counted::no);
  pipeline.add_rows(Statement::erase, plan.erase, Columns::key, Counted::no);
}

/// What became of a commit whose answer was lost. A failure: it cannot be learnt now.
std::variant<Written, SqlFailure> learn_outcome(SessionPool& pool, Session& session, std::int64_t commit,
                                                SqlFailure failure) {
  for (int attempts = 1; pool.may_repeat(attempts, failure.kind); ++attempts) {
    session.connection.reset();
    if (auto unready = pool.make_ready(session)) {
      failure = *std::move(unready);
      continue;
    }
    auto settled = pool.settle(*session.connection, {session.slot, commit});
    if (const auto* took_effect = std::get_if<bool>(&settled)) {
      session.commits = *took_effect ? commit : commit + 1;
      if (*took_effect) return Written::committed;
      return SqlFailure{FailureKind::repeat, failure.message};
    }
    failure = std::move(std::get<SqlFailure>(settled));
  }
  session.connection.reset();
  pool.leave_in_doubt(session, commit);
  // Made again on another slot, it could be done twice.
  failure.kind = FailureKind::final;
  return failure;
}

}  // namespace

std::variant<Written, SqlFailure> write_plan(SessionPool& pool, Session& session, const GroupPlan& plan,
                                             Durability durability) {
  const std::int64_t commit = session.commits + 1;
  Pipeline pipeline;
  pipeline.add(Statement::begin);
  if (durability == Durability::async) pipeline.add(Statement::async_commit);
  // First, so that a server process which begins late is stopped before it waits for any row.
  Parameters& slot = pipeline.add_with_parameters(Statement::claim_slot);
  pool.name_slot(slot, session.slot);
  slot.int8(session.commits).int8(commit);
  add_plan(pipeline, plan);
  pipeline.add(Statement::commit);

  auto answers = session.connection->run(pipeline.calls());
  if (!answers.failure) {
    // The tag of a COMMIT that had to roll back says so.
    if (std::string_view(PQcmdStatus(answers.results.back().get())) != "COMMIT") {
      return SqlFailure{FailureKind::repeat, "the database rolled the commit back"};
    }
    session.commits = commit;
    return Written::committed;
  }
  SqlFailure failure = *std::move(answers.failure);
  if (failure.kind != FailureKind::connection) {
    const std::array rollback = {Call{Statement::rollback}};
    if (session.connection->run(rollback).failure) session.connection.reset();
    if (failure.kind == FailureKind::refused) return Written::refused;
    return failure;
  }
  return learn_outcome(pool, session, commit, std::move(failure));
}

std::variant<KnownRows, SqlFailure> read_rows(Connection& connection, const std::vector<std::string_view>& keys) {
  KnownRows rows;
  ByteaArray scopes;
  ByteaArray rests;
  for (const auto key : keys) {
    scopes.add(split(key).scope);
    rests.add(split(key).rest);
    rows.emplace(key, std::nullopt);
  }
  Parameters parameters;
  parameters.array(scopes).array(rests);
  const std::array calls = {Call{Statement::required_rows, &parameters}};
  auto answers = connection.run(calls, [&](const PGresult& row) {
    std::string key(field(row, 0, 0));
    key.append(field(row, 0, 1));
    rows.insert_or_assign(std::move(key), std::string(field(row, 0, 2)));
  });
  if (answers.failure) return *std::move(answers.failure);
  return rows;
}

}  // namespace openwop::pg
