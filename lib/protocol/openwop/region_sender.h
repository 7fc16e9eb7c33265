// Tells one other region what it has yet to hear of, and knows whether it is reached.
//
// Thread-safety: row_of(), kick(), set_mine() and stop() from any thread; step() and run() from one at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>

#include "openwop/protocol/region_link.h"
#include "protocol/openwop/region_outbox.h"

namespace openwop::wire {

class RegionSender {
 public:
  RegionSender(const RegionOptions& options, const RegionPeer& peer);

  [[nodiscard]] std::string row_of(std::string_view row_key, std::int64_t expires_ms) const {
    return outbox_.row_of(row_key, expires_ms);
  }
  [[nodiscard]] const std::string& name() const { return peer_.name; }

  void kick();
  /// In a cluster: whether this host is the one that tells.
  void set_mine(bool mine);

  /// Tells what there is, one page at most; gives when there is something to do again.
  std::int64_t step();
  /// Steps until stopped.
  void run(const std::stop_token& stop);
  /// Ends run(); what is being told may be told again.
  void stop();

  /// "eu:us", whichever of the two counts.
  [[nodiscard]] static std::string pair_of(std::string_view a, std::string_view b);

 private:
  struct Told {
    enum class Answer : std::uint8_t { taken, refused, none } answer = Answer::none;
    /// Claims that were not taken.
    std::vector<std::size_t> left = {};
    std::string reason = {};
  };
  [[nodiscard]] Told tell(std::span<const RegionClaim> claims);
  [[nodiscard]] std::optional<std::string> tell_page(RegionOutbox::Page& page, std::vector<std::string>& done);
  [[nodiscard]] std::optional<std::string> tell_alone(const RegionOutbox::Page& page, std::vector<std::size_t> left,
                                                      std::vector<std::string>& done);
  void begin_look(std::int64_t now);
  void go_on_looking(RegionOutbox::Page& page);
  void go_on(RegionOutbox::Page& page);
  void begin_anew();
  std::int64_t put_off(std::string_view reason);
  void trim();
  void reached();
  void rest();
  void set_partition(double seconds);
  void not_taken(std::string_view reason);
  void trouble(std::string_view message, std::string_view reason) const;
  [[nodiscard]] std::int64_t now_ms() const { return options_.clock->now_ms(); }

  const RegionOptions& options_;
  const RegionPeer& peer_;
  RegionOutbox outbox_;
  std::atomic<bool> mine_;
  std::stop_source stop_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool kicked_ = false;

  // Of step() alone.
  std::string from_;                // where the next page begins
  bool passing_ = false;            // there is more behind it
  std::set<std::string> left_;      // rows that were told since the last look, in vain
  std::int64_t not_before_ms_ = 0;  // after a failure
  std::string look_from_;           // where the next look begins
  std::size_t look_pages_ = 0;      // of this look, still to come
  std::int64_t look_ms_ = 0;        // when to look, and to ask whether the region is there
  std::size_t turn_ = 0;
  std::int64_t trim_ms_ = 0;
  std::int64_t not_taken_ms_ = 0;  // when somebody was told last that claims are not taken
  std::optional<std::int64_t> unreached_since_ms_;
  double partition_s_ = 0;
};

}  // namespace openwop::wire
