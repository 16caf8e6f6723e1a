// Three pages.
#include "rpc/http.hpp"

#include <algorithm>

#include "core/log.hpp"

namespace fastptm::rpc {

namespace {

// A descriptor and some kilobytes each; a prober and a scraper need two.
constexpr uint32_t most_connections = 64;

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

http_connections::http_connections(kj::Own<kj::ConnectionReceiver> listener, kj::HttpServer& server, kj::Timer& timer)
    : listener_(kj::mv(listener)), server_(server), timer_(timer), tasks_(*this) {
  tasks_.add(accept());
}

kj::Promise<void> http_connections::accept() {
  return listener_->accept().then([this](kj::Own<kj::AsyncIoStream> socket) { return accepted(kj::mv(socket)); },
                                  [this](kj::Exception&& exception) {
                                    core::log::warn("rpc", "http-accept-failed", "{}",
                                                    exception.getDescription().cStr());
                                    return timer_.afterDelay(100 * kj::MILLISECONDS).then([this] { return accept(); });
                                  });
}

// One too many is closed at once: a prober comes again, and a stranger must not keep it out for long.
kj::Promise<void> http_connections::accepted(kj::Own<kj::AsyncIoStream> socket) {
  if (open_ < most_connections) {
    ++open_;
    tasks_.add(server_.listenHttp(kj::mv(socket)).attach(kj::defer([this] { --open_; })));
  }
  return accept();
}

void http_connections::taskFailed(kj::Exception&& exception) {
  core::log::debug("rpc", "http-connection-ended", "{}", exception.getDescription().cStr());
}

} // namespace fastptm::rpc
