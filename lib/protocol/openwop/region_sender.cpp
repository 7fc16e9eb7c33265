#include "protocol/openwop/region_sender.h"

#include <algorithm>
#include <numeric>

#include "openwop/json.h"

namespace openwop::wire {

namespace {

/// Of answers in one request: half of what a host takes in a body unless it was told otherwise.
constexpr std::size_t kMaxRequestBytes = std::size_t{512} << 10;
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 10;
constexpr std::int64_t kMaxWaitMs = 3'600'000;
/// Pages that are told again at a time.
constexpr std::size_t kLookPages = 4;
constexpr std::int64_t kOverlapMs = 1'000;
constexpr std::int64_t kTrimMs = 60'000;
constexpr std::int64_t kNotTakenMs = 3'600'000;
/// Claims of a page that are told alone without being taken; the others that were left come with the next look.
constexpr std::size_t kMaxAloneInVain = 3;

}  // namespace

RegionSender::RegionSender(const RegionOptions& options, const RegionPeer& peer)
    : options_(options), peer_(peer), outbox_(*options.store, peer.name), mine_(!options.cluster) {}

std::string RegionSender::pair_of(std::string_view a, std::string_view b) {
  return std::string(std::min(a, b)) + ":" + std::string(std::max(a, b));
}

void RegionSender::kick() {
  {
    const std::lock_guard lock(mutex_);
    kicked_ = true;
  }
  wake_.notify_one();
}

void RegionSender::set_mine(bool mine) {
  if (mine_.exchange(mine) != mine) kick();
}

void RegionSender::run(const std::stop_token& stop) {
  while (!stop.stop_requested() && !stop_.stop_requested()) {
    const std::int64_t next_ms = step();
    const std::int64_t wait_ms = std::clamp<std::int64_t>(next_ms - now_ms(), 0, kMaxWaitMs);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return kicked_ || stop_.stop_requested(); });
    kicked_ = false;
  }
}

void RegionSender::stop() {
  stop_.request_stop();
  kick();
}

std::int64_t RegionSender::step() {
  const std::int64_t now = now_ms();
  if (!mine_.load()) {
    rest();
    return now + options_.probe_ms;
  }
  // A clock that went back is no reason to stand still for as long.
  not_before_ms_ = std::min(not_before_ms_, now + options_.retry_ms);
  look_ms_ = std::min(look_ms_, now + options_.probe_ms);
  if (now < not_before_ms_) return not_before_ms_;
  const bool look = now >= look_ms_;
  if (look) begin_look(now);
  const bool looking = look_pages_ > 0;
  auto page = outbox_.page(looking ? look_from_ : from_, options_.max_claims_per_request, kMaxRequestBytes, now);
  if (!page) return put_off(page.error().message);
  page->leave_out(left_);
  std::vector<std::string> done = std::move(page->void_keys);
  const bool tells = look || !page->claims.empty();
  std::optional<std::string> failure;
  if (tells) failure = tell_page(*page, done);
  if (auto forgotten = outbox_.forget(done); !forgotten) return put_off(forgotten.error().message);
  if (failure) return put_off(*failure);
  if (tells) reached();
  left_.insert(page->keys.begin(), page->keys.end());
  for (const std::string& key : done) left_.erase(key);
  if (looking) {
    go_on_looking(*page);
  } else {
    go_on(*page);
  }
  trim();
  return look_pages_ > 0 || passing_ ? now : look_ms_;
}

/// Commits come late, and some claims were not taken: every few seconds some pages of what lies before the next new row
/// are told again, from where the last such look ended. New rows wait no longer for that than those pages take.
void RegionSender::begin_look(std::int64_t now) {
  look_ms_ = now + options_.probe_ms;
  look_pages_ = kLookPages;
  left_.clear();
}

void RegionSender::go_on_looking(RegionOutbox::Page& page) {
  --look_pages_;
  look_from_ = std::move(page.next);
  if (page.more) {
    passing_ = true;  // what is behind this look
    return;
  }
  look_from_.clear();
  look_pages_ = 0;
}

void RegionSender::go_on(RegionOutbox::Page& page) {
  passing_ = page.more;
  if (page.next.empty()) return;
  // At the end stand a little before it: commits of one moment come in any order.
  from_ = passing_ ? std::move(page.next) : outbox_.row_of({}, std::max<std::int64_t>(page.expires_ms - kOverlapMs, 0));
}

/// Why the region was not reached, or nothing; `done` gets the keys of the rows that it has heard of.
std::optional<std::string> RegionSender::tell_page(RegionOutbox::Page& page, std::vector<std::string>& done) {
  Told told = tell(page.claims);
  if (told.answer == Told::Answer::none) return told.reason;
  if (told.answer == Told::Answer::refused) {
    if (page.claims.empty()) return told.reason;
    // A fault of the way and of the region, or of what it was told?
    const Told probe = tell({});
    if (probe.answer != Told::Answer::taken) return probe.reason;
    told.left.resize(page.claims.size());
    std::iota(told.left.begin(), told.left.end(), std::size_t{0});
    if (page.claims.size() == 1) {
      not_taken(told.reason);
      return std::nullopt;
    }
  }
  for (std::size_t i = 0; i < page.claims.size(); ++i) {
    if (std::find(told.left.begin(), told.left.end(), i) == told.left.end()) done.push_back(page.keys[i]);
  }
  return tell_alone(page, std::move(told.left), done);
}

/// A claim on its own can be handed to the host that has its run, and is not held up by others.
std::optional<std::string> RegionSender::tell_alone(const RegionOutbox::Page& page, std::vector<std::size_t> left,
                                                    std::vector<std::string>& done) {
  std::size_t in_vain = 0;
  // Those in front are not always the first: they may be the ones that are never taken.
  if (!left.empty())
    std::rotate(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(turn_++ % left.size()), left.end());
  for (const std::size_t i : left) {
    if (i >= page.claims.size() || in_vain == kMaxAloneInVain) break;
    const Told told = tell({&page.claims[i], 1});
    if (told.answer == Told::Answer::none) return told.reason;
    if (told.answer == Told::Answer::taken && told.left.empty()) {
      done.push_back(page.keys[i]);
    } else {
      ++in_vain;
      not_taken(told.reason);
    }
  }
  return std::nullopt;
}

RegionSender::Told RegionSender::tell(std::span<const RegionClaim> claims) {
  HttpCall call{.method = "POST", .url = peer_.url + "/v1/regions/claims"};
  call.headers = {{"Authorization", "Bearer " + peer_.key}, {"Content-Type", "application/json"}};
  call.body = region_message(options_.region, claims);
  call.timeout_ms = options_.timeout_ms;
  call.max_response_bytes = kMaxAnswerBytes;
  call.stop = stop_.get_token();
  const HttpAnswer answer = options_.client->send(call);
  if (answer.failure != HttpFailure::none) {
    // What was told may be why there is no answer in time; whether the region is there an empty message shows.
    const bool is_there = answer.failure == HttpFailure::timeout || answer.failure == HttpFailure::too_large ||
                          answer.failure == HttpFailure::protocol;
    return {.answer = is_there && !claims.empty() ? Told::Answer::refused : Told::Answer::none,
            .reason = std::string(http_failure_name(answer.failure))};
  }
  Told told{.answer = Told::Answer::refused, .reason = "status " + std::to_string(answer.status)};
  if (answer.status != 200) return told;
  const bool is_object = json::check(answer.body) && json::kind(answer.body) == json::Kind::object;
  if (!is_object || json::as_string(json::member(answer.body, "region").value_or("")) != peer_.name) {
    told.reason = "what answers is not that region";
    return told;
  }
  told.answer = Told::Answer::taken;
  json::for_each_element(json::member(answer.body, "left").value_or("[]"), [&](std::string_view index) {
    told.left.push_back(static_cast<std::size_t>(std::max<std::int64_t>(json::as_int(index).value_or(0), 0)));
    return true;
  });
  return told;
}

std::int64_t RegionSender::put_off(std::string_view reason) {
  const std::int64_t now = now_ms();
  if (!stop_.stop_requested()) {
    if (!unreached_since_ms_) trouble("another region is not reached", reason);
    if (!unreached_since_ms_) unreached_since_ms_ = now;
    set_partition(static_cast<double>(std::max<std::int64_t>(now - *unreached_since_ms_, 0)) / 1000.0);
    trim();
  }
  begin_anew();
  not_before_ms_ = now + options_.retry_ms;
  return not_before_ms_;
}

void RegionSender::trim() {
  const std::int64_t now = now_ms();
  trim_ms_ = std::min(trim_ms_, now + kTrimMs);
  if (now < trim_ms_) return;
  trim_ms_ = now + kTrimMs;
  const auto beyond = outbox_.trim(now, options_.max_queued_per_peer);
  if (beyond && *beyond > 0) {
    trouble("another region does not hear of keys", "max_queued_per_peer: " + std::to_string(*beyond) + " given up");
  }
}

void RegionSender::reached() {
  if (!unreached_since_ms_) return;
  trouble("another region is reached again",
          "after " + std::to_string((now_ms() - *unreached_since_ms_) / 1000) + " s");
  unreached_since_ms_.reset();
  set_partition(0);
}

/// Another host tells now, and knows whether the region is reached.
void RegionSender::rest() {
  unreached_since_ms_.reset();
  if (partition_s_ != 0) set_partition(0);
  begin_anew();
  not_before_ms_ = 0;
}

void RegionSender::begin_anew() {
  from_.clear();
  look_from_.clear();
  left_.clear();
  passing_ = false;
  look_pages_ = 0;
  look_ms_ = 0;
}

void RegionSender::set_partition(double seconds) {
  if (options_.metrics) {
    options_.metrics->record(Metric::cross_region_partition, seconds - partition_s_,
                             {{"openwop.region_pair", pair_of(options_.region, peer_.name)}});
  }
  partition_s_ = seconds;
}

void RegionSender::not_taken(std::string_view reason) {
  const std::int64_t now = now_ms();
  if (not_taken_ms_ != 0 && now - not_taken_ms_ < kNotTakenMs && now >= not_taken_ms_) return;
  not_taken_ms_ = now;
  trouble("another region does not take keys now; it is told of them again", reason);
}

void RegionSender::trouble(std::string_view message, std::string_view reason) const {
  if (!options_.on_trouble) return;
  std::string fields;
  json::ObjectWriter(fields).string("region", peer_.name).string("reason", reason);
  options_.on_trouble(message, fields);
}

}  // namespace openwop::wire
