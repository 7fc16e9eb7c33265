// Idempotency keys whose request is being executed in this process: a repeat waits for the first to be done
// (protocol 01 §6.2). The ledger decides which of two takes effect; this only spares the second its attempt.
//
// Thread-safe. Holds one entry for each keyed request in flight.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace openwop::wire {

class KeysInFlight {
 public:
  KeysInFlight() = default;
  KeysInFlight(const KeysInFlight&) = delete;
  KeysInFlight& operator=(const KeysInFlight&) = delete;

  /// A key in one request's hands, given back when it goes.
  class Held {
   public:
    Held(KeysInFlight& keys, std::string key) : keys_(&keys), key_(std::move(key)) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { keys_->release(key_); }

   private:
    KeysInFlight* keys_;
    std::string key_;
  };

  /// Takes the key once nobody else has it; null when that takes longer than `wait_ms`.
  [[nodiscard]] std::unique_ptr<Held> take(const std::string& key, std::int64_t wait_ms);

 private:
  void release(const std::string& key);

  std::mutex mutex_;
  std::condition_variable released_;
  std::set<std::string> keys_;
};

}  // namespace openwop::wire
