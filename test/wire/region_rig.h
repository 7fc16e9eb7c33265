// RegionsRig: several regions, each a surface with an engine and a store of its own, and the lines between them, which
// tests cut and mend.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "openwop/metric_registry.h"
#include "openwop/protocol/region_link.h"
#include "wire/surface_rig.h"

namespace openwop::test {

class RegionsRig {
 public:
  struct Region {
    std::string name;
    std::shared_ptr<MetricRegistry> metrics = std::make_shared<MetricRegistry>();
    std::vector<std::string> troubles = {};
    std::vector<std::string> logged = {};
    std::shared_ptr<RegionLink> link = {};
    std::unique_ptr<SurfaceRig> rig = {};
  };
  using Adjust = std::function<void(RegionOptions&)>;

  explicit RegionsRig(std::vector<std::string> names, Adjust adjust = {})
      : names_(std::move(names)), adjust_(std::move(adjust)) {
    for (const std::string& name : names_) open(name);
  }

  Region& operator[](const std::string& name) { return *regions_.at(name); }

  /// One way only.
  void cut(const std::string& from, const std::string& to) { cut_.emplace(from, to); }
  void mend(const std::string& from, const std::string& to) { cut_.erase({from, to}); }
  void cut_both(const std::string& a, const std::string& b) {
    cut(a, b);
    cut(b, a);
  }
  void mend_all() { cut_.clear(); }
  /// Of the next so many requests what they do is done, and the answer does not come.
  int lost_answers = 0;
  std::size_t requests = 0;

  void advance(std::int64_t ms) {
    for (auto& [name, region] : regions_) region->rig->advance(ms);
  }
  /// Every region tells what it has to tell, as often as there may be something to hear of it.
  void exchange() {
    for (std::size_t round = 0; round < names_.size() + 1; ++round) {
      advance(5'000);
      for (auto& [name, region] : regions_) (void)region->link->tick();
    }
  }

  /// A create with a key; the answer is checked against the document.
  Answer create(const std::string& region, const std::string& key, const std::string& body = kWaits) {
    const Answer answer = (*this)[region].rig->post("/v1/runs", body, {{"Idempotency-Key", key}});
    (*this)[region].rig->settle();
    return answer;
  }
  std::string status(const std::string& region, const std::string& run) {
    return (*this)[region].rig->get("/v1/runs/" + run).at({"status"});
  }
  std::size_t runs(const std::string& region) {
    return occurrences((*this)[region].rig->get("/v1/runs").body, "\"runId\"");
  }
  double measured(const std::string& region, Metric metric) {
    double sum = 0;
    for (const MetricSeries& series : (*this)[region].metrics->series()) {
      if (series.metric == metric) sum += series.value;
    }
    return sum;
  }

  /// The region's process ends and another one starts on its store.
  void restart(const std::string& name) {
    auto store = (*this)[name].rig->store;
    auto clock = (*this)[name].rig->clock;
    regions_.erase(name);
    open(name, std::move(store), std::move(clock));
  }

  /// A run that sleeps for ten minutes.
  static inline const std::string kWaits = R"({"workflowId":"wire-sleep","inputs":{"delayMs":600000}})";

 private:
  class Line final : public HttpClient {
   public:
    Line(RegionsRig& world, std::string from) : world_(world), from_(std::move(from)) {}
    HttpAnswer send(const HttpCall& call) override { return world_.send(from_, call); }

   private:
    RegionsRig& world_;
    std::string from_;
  };

  void open(const std::string& name, std::shared_ptr<MemoryStore> store = {}, std::shared_ptr<ManualClock> clock = {}) {
    auto region = std::make_unique<Region>();
    region->name = name;
    Region* const self = region.get();
    region->rig = std::make_unique<SurfaceRig>(
        SurfaceOptions{}, 0, [&](SurfaceRig& rig, EngineOptions& engine, SurfaceOptions& surface) {
          if (store) rig.store = store;
          if (clock) rig.clock = clock;
          engine.store = rig.store;
          engine.clock = rig.clock;
          self->link = link_of(*self, rig);
          engine.observers.push_back(self->link);
          for (const RegionPeer& peer : self->link->options().peers) {
            surface.keys.push_back(ApiKey::of("from-" + peer.name, peer.name, {std::string(kRegionScope)}));
          }
          surface.regions = self->link;
          surface.log = [self](LogLevel, std::string_view message, std::string_view fields) {
            self->logged.push_back(std::string(message) + " " + std::string(fields));
          };
        });
    regions_[name] = std::move(region);
  }

  std::shared_ptr<RegionLink> link_of(Region& region, SurfaceRig& rig) {
    RegionOptions options;
    options.region = region.name;
    options.store = rig.store;
    for (const std::string& name : names_) {
      if (name != region.name) options.peers.push_back({name, "http://" + name, "from-" + region.name});
    }
    options.client = std::make_shared<Line>(*this, region.name);
    options.clock = rig.clock;
    options.metrics = region.metrics;
    options.threads = false;
    options.on_trouble = [&region](std::string_view message, std::string_view fields) {
      region.troubles.push_back(std::string(message) + " " + std::string(fields));
    };
    if (adjust_) adjust_(options);
    auto link = RegionLink::open(std::move(options));
    REQUIRE(link.ok());
    return *std::move(link);
  }

  HttpAnswer send(const std::string& from, const HttpCall& call) {
    const std::string_view rest = std::string_view(call.url).substr(7);
    const std::string to(rest.substr(0, rest.find('/')));
    ++requests;
    if (cut_.contains({from, to}) || !regions_.contains(to)) return {.failure = HttpFailure::connect};
    http::Request request{.method = call.method, .target = std::string(rest.substr(to.size())), .body = call.body};
    for (const auto& [name, value] : call.headers) request.headers.emplace(name, value);
    const Answer answer = regions_.at(to)->rig->answer_of(request);
    expect_contract({request.method, request.target, request.body}, answer);
    if (lost_answers > 0) {
      --lost_answers;
      return {.failure = HttpFailure::timeout};
    }
    return {.status = answer.status, .body = answer.body};
  }

  std::vector<std::string> names_;
  Adjust adjust_;
  std::set<std::pair<std::string, std::string>> cut_;
  std::map<std::string, std::unique_ptr<Region>> regions_;
};

}  // namespace openwop::test
