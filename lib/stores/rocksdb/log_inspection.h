// Tells a torn log from a damaged one, before RocksDB replays it.
//
// RocksDB's write-ahead log is a row of 32 KiB blocks of records: checksum (4), length (2), type (1), payload; a batch
// larger than the rest of its block is cut into FIRST, MIDDLE and LAST records, else it is one FULL record.
//
// A crash may leave the last write incomplete: bad bytes, and no batch after them. Such a tail was never acknowledged
// as durable and may go. Bad bytes with a later batch behind them are damage: batches that were written before it are
// lost. Only FULL and FIRST records count as a later batch, because the rest of one large batch may reach the disk
// before its beginning does, while no batch is synced before all that precede it are.
//
// With Durability::async and a loss of power, a disk that wrote later pages first leaves a log that looks damaged. It
// is reported as such: nothing in the log tells which of the two it was.
#pragma once

#include <string>

#include "openwop/result.h"

namespace openwop::rocks {

/// Inspects every write-ahead log of the folder. Errors: store_corrupt naming the file and the offset; store_io_error.
[[nodiscard]] Status inspect_logs(const std::string& folder);

}  // namespace openwop::rocks
