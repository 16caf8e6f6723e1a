// /metrics, /healthz and /readyz for the machinery around the cluster.
#pragma once

#include <kj/async-io.h>
#include <kj/compat/http.h>
#include <kj/timer.h>

#include "core/metrics.hpp"
#include "rpc/acceptor.hpp"
#include "rpc/bridge.hpp"
#include "rpc/strangers.hpp"

namespace fastptm::rpc {

// Lives on the KJ thread, longer than the HTTP server that uses it.
class http_pages final : public kj::HttpService {
public:
  http_pages(bridge& actors, const core::metrics_registry& metrics, const kj::HttpHeaderTable& table)
      : actors_(actors), metrics_(metrics), table_(table) {}

  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override;

private:
  kj::Promise<void> send(Response& response, unsigned status, kj::StringPtr reason, kj::String text);

  bridge& actors_;
  const core::metrics_registry& metrics_;
  const kj::HttpHeaderTable& table_;
};

// A bounded number of connections at once, of which the oldest goes for the newest, and KJ's own bounds of time on each.
// Lives on the KJ thread, not as long as the server and the timer.
class http_connections final : private kj::TaskSet::ErrorHandler {
public:
  http_connections(kj::Own<kj::ConnectionReceiver> listener, kj::HttpServer& server, kj::Timer& timer,
                   stranger_limits limits, core::metrics_registry& metrics);

private:
  void serve(kj::Own<kj::AsyncIoStream> socket);
  void taskFailed(kj::Exception&& exception) override;

  kj::HttpServer& server_;
  strangers strangers_; // everybody
  kj::TaskSet tasks_;   // its tasks use everything above
  acceptor acceptor_;   // last: it adds tasks
};

} // namespace fastptm::rpc
