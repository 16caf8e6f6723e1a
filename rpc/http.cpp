// Three pages.
#include "rpc/http.hpp"

#include <algorithm>

namespace fastptm::rpc {

namespace {

bool can_serve(const actors::node_list& nodes) {
  return std::any_of(nodes.rows.begin(), nodes.rows.end(),
                     [](const auto& node) { return node.state == actors::node_state::ready && !node.devices.empty(); });
}

} // namespace

kj::Promise<void> http_pages::request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders&,
                                      kj::AsyncInputStream&, Response& response) {
  if (method != kj::HttpMethod::GET) return response.sendError(405, "Method Not Allowed", table_);
  if (url == "/metrics") return send(response, 200, "OK", kj::heapString(metrics_.exposition().c_str()));
  // The head answers: that is its health.
  if (url == "/healthz") return send(response, 200, "OK", kj::str("alive\n"));
  if (url == "/readyz") {
    return actors_.nodes().then([this, &response](core::result<actors::node_list> nodes) {
      if (nodes && can_serve(*nodes)) return send(response, 200, "OK", kj::str("ready\n"));
      return send(response, 503, "Service Unavailable", kj::str("no device is ready\n"));
    });
  }
  return response.sendError(404, "Not Found", table_);
}

kj::Promise<void> http_pages::send(Response& response, unsigned status, kj::StringPtr reason, kj::String text) {
  kj::HttpHeaders headers(table_);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
  auto body = response.send(status, reason, headers, text.size());
  auto written = body->write(text.begin(), text.size());
  return written.attach(kj::mv(body), kj::mv(text));
}

} // namespace fastptm::rpc
