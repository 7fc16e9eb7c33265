// Rows of interrupts that wait, derived from a run's state and written in the commits that change it:
//
//   I p <tenant> 0x00 <requested ms> <run> <node>                    listing by age; the value is a summary
//   I i <tenant> 0x00 <interrupt> 0x00 <requested ms> <run> <node>   by interrupt id
//   I c <tenant> 0x00 <digest> <requested ms> <run> <node>           external events by a member of their correlation
#pragma once

#include <map>

#include "engine/run_turn.h"
#include "openwop/store.h"

namespace openwop::runtime {

/// Key -> value.
using InterruptRows = std::map<std::string, std::string, std::less<>>;

[[nodiscard]] InterruptRows interrupt_rows_of(const Run& run);
/// Writes what has changed since `rows`, and makes `rows` what is there now.
void update_interrupt_rows(Transaction& transaction, const Run& run, InterruptRows& rows);

/// Errors: validation_error for a cursor that no listing gave.
[[nodiscard]] Result<InterruptPage> list_interrupts(const Store& store, const InterruptFilter& filter,
                                                    std::string_view cursor, std::size_t limit);

}  // namespace openwop::runtime
