// /metrics, /healthz and /readyz for the machinery around the cluster; on loopback.
#pragma once

#include <kj/compat/http.h>

#include "core/metrics.hpp"
#include "rpc/bridge.hpp"

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

} // namespace fastptm::rpc
