// A walk over the operations of the OpenAPI document: for each, a request that the server has to take.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/server.h"
#include "support/wire_contract.h"

namespace openwop::test {

/// A request that an operation takes, and what it then answers.
struct GoodRequest {
  std::string target;
  std::string body = {};
  int status = 200;
  httplib::Headers headers = {};
};

class Walk {
 public:
  explicit Walk(const Server& server) : server_(server) {}

  /// operationId -> makes what the operation needs, and a request for it.
  [[nodiscard]] static const std::map<std::string, std::function<GoodRequest(const Walk&)>>& good_requests();

  [[nodiscard]] const Server& server() const { return server_; }
  /// A run that has completed; one that sleeps.
  [[nodiscard]] std::string ended_run() const;
  [[nodiscard]] std::string live_run() const;

 private:
  const Server& server_;
};

/// One request that an operation has to refuse.
struct BadRequest {
  std::string name;
  std::string target;
  std::string body = {};
  int status = 400;
};

/// From the document alone: parameters out of their range, bodies with a member too many, too few or of another type.
/// `good` is a request that is taken.
[[nodiscard]] std::vector<BadRequest> bad_requests(const Operation& operation, const GoodRequest& good);

}  // namespace openwop::test
