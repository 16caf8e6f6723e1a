// Three pages.
#include "rpc/http.hpp"

#include <algorithm>

#include "core/log.hpp"

namespace fastptm::rpc {

namespace {

bool can_serve(const protocol::node_list& nodes) {
  return std::any_of(nodes.rows.begin(), nodes.rows.end(), [](const auto& node) {
    return node.state == protocol::node_state::ready && !node.devices.empty();
  });
}

} // namespace

kj::Promise<void> http_pages::request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders&,
                                      kj::AsyncInputStream&, Response& response) {
  if (method != kj::HttpMethod::GET) return response.sendError(405, "Method Not Allowed", table_);
  if (url == "/metrics") return send(response, 200, "OK", kj::heapString(metrics_.exposition().c_str()));
  // The head answers: that is its health.
  if (url == "/healthz") return send(response, 200, "OK", kj::str("alive\n"));
  if (url == "/readyz") {
    return actors_.nodes().then([this, &response](core::result<protocol::node_list> nodes) {
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

// -- connections ------------------------------------------------------------------------------------------------------

http_connections::http_connections(kj::Own<kj::ConnectionReceiver> listener, kj::HttpServer& server, kj::Timer& timer,
                                   stranger_limits limits, core::metrics_registry& metrics)
    : server_(server), strangers_(limits, "http", metrics), tasks_(*this),
      acceptor_(kj::mv(listener), timer, "http", metrics,
                [this](kj::Own<kj::AsyncIoStream> socket) { serve(kj::mv(socket)); }) {}

void http_connections::serve(kj::Own<kj::AsyncIoStream> socket) {
  auto place = kj::heap<strangers::place>(strangers_, network_of(*socket));
  auto sent_away = place->sent_away();
  tasks_.add(server_.listenHttp(kj::mv(socket)).exclusiveJoin(kj::mv(sent_away)).attach(kj::mv(place)));
}

void http_connections::taskFailed(kj::Exception&& exception) {
  core::log::debug("rpc", "http-connection-ended", "{}", exception.getDescription().cStr());
}

} // namespace fastptm::rpc
