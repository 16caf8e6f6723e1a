// Builds the parts in order on their own thread, and tears them down in the opposite order.
#include "rpc/front_end.hpp"

#include <future>

#include <fmt/format.h>
#include <kj/async-io.h>
#include <kj/compat/http.h>
#include <pthread.h>

#include "core/log.hpp"
#include "core/network_address.hpp"
#include "rpc/http.hpp"

namespace fastptm::rpc {

namespace {

struct started {
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop;
  front_end_addresses addresses;
};
using start_report = std::promise<core::result<std::shared_ptr<started>>>;

struct listening {
  kj::Own<kj::ConnectionReceiver> socket;
  std::string address;
};

core::result<listening> listen(kj::AsyncIoContext& io, const std::string& address, uint16_t port,
                               std::string_view what) {
  core::result<listening> out;
  const auto trouble = kj::runCatchingExceptions([&] {
    auto parsed = io.provider->getNetwork().parseAddress(address.c_str(), port).wait(io.waitScope);
    out->socket = parsed->listen();
    out->address = core::to_text({core::reachable_host(address), static_cast<uint16_t>(out->socket->getPort())});
  });
  KJ_IF_MAYBE (exception, trouble) {
    return core::fail(core::errc::unavailable,
                      fmt::format("{}: cannot listen on {}: {}: is the port in use?", what,
                                  core::to_text({address, port}), exception->getDescription().cStr()));
  }
  return out;
}

const char* loopback = "127.0.0.1";
// Then sockets and answers are looked at again: who always has something to read must not keep the thread for itself.
constexpr kj::uint most_events = 64;

// Listens before anything is made that would have to be taken down again.
struct sockets {
  listening gateway, admin, http;
  std::optional<listening> gateway_tls;
  kj::Own<kj::TlsContext> tls;
};

core::result<sockets> open_sockets(kj::AsyncIoContext& io, const front_end_options& options) {
  sockets out;
  const auto put = [](core::result<listening> from, listening& to) -> core::result<void> {
    if (!from) return core::fail(from.error());
    to = std::move(*from);
    return {};
  };
  auto done = put(listen(io, options.address, options.port, "gateway"), out.gateway);
  if (done && options.tls) {
    out.gateway_tls = std::move(out.gateway);
    done = put(listen(io, loopback, 0, "gateway"), out.gateway);
    auto made = make_tls(*options.tls);
    if (!made) return core::fail("gateway", made.error());
    out.tls = kj::mv(*made);
  }
  if (done) done = put(listen(io, loopback, options.admin_port, "administration"), out.admin);
  if (done) done = put(listen(io, options.http_address, options.http_port, "http"), out.http);
  if (!done) return core::fail(done.error());
  return out;
}

void run(caf::actor_system& system, bridge_targets targets, const front_end_options& options,
         core::metrics_registry& metrics, start_report& report, bool& reported) {
  auto io = kj::setupAsyncIo();
  io.waitScope.setBusyPollInterval(most_events);
  auto& timer = io.provider->getTimer();
  auto open = open_sockets(io, options);
  if (!open) {
    reported = true;
    return report.set_value(core::fail(open.error()));
  }

  bridge actors(system, io.unixEventPort, std::move(targets));
  gateway tenants(actors, timer, options.gateway, metrics);
  admin operators(actors, timer, options.admin, [&] { return tenants.read_tokens_again(); });
  kj::HttpHeaderTable::Builder table_builder;
  const auto table = table_builder.build();
  http_pages pages(actors, metrics, *table);
  kj::HttpServer http(timer, *table, pages);

  auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
  auto facts = std::make_shared<started>();
  facts->stop = kj::mv(stop.fulfiller);
  facts->addresses = {open->gateway.address, open->gateway_tls ? open->gateway_tls->address : std::string(),
                      open->admin.address, open->http.address};
  {
    connections tenant_connections(timer, "gateway", options.limits, metrics,
                                   [&](visitor& connection) { return tenants.bootstrap(connection); });
    tenants.tokens.on_forgotten([&](uint64_t token) { tenant_connections.end_all_of(token); });
    tenant_connections.listen(kj::mv(open->gateway.socket));
    if (open->gateway_tls) tenant_connections.listen(kj::mv(open->gateway_tls->socket), open->tls.get());
    connections admin_connections(timer, "admin", options.admin_limits, metrics,
                                  [&](visitor& connection) { return operators.bootstrap(connection); });
    admin_connections.listen(kj::mv(open->admin.socket));
    http_connections page_connections(kj::mv(open->http.socket), http, timer, options.http_limits, metrics);
    reported = true;
    report.set_value(std::move(facts));
    stop.promise.wait(io.waitScope);
  }
}

} // namespace

core::result<std::unique_ptr<front_end>> front_end::start(caf::actor_system& system, bridge_targets targets,
                                                          front_end_options options, core::metrics_registry& metrics) {
  std::unique_ptr<front_end> out(new front_end);
  auto report = std::make_shared<start_report>();
  auto outcome = report->get_future();
  out->thread_ =
      std::thread([&system, targets = std::move(targets), options = std::move(options), &metrics, report]() mutable {
        ::pthread_setname_np(::pthread_self(), "rpc");
        bool reported = false;
        const auto trouble =
            kj::runCatchingExceptions([&] { run(system, std::move(targets), options, metrics, *report, reported); });
        KJ_IF_MAYBE (exception, trouble) {
          const std::string why = exception->getDescription().cStr();
          if (!reported)
            return report->set_value(core::fail(core::errc::unavailable, "the gateway cannot start: " + why));
          // Every expected failure is a value; this is a broken promise of the program.
          core::log::error("rpc", "front-end-died", "{}", why);
          std::abort();
        }
      });
  auto facts = outcome.get();
  if (!facts) {
    out->thread_.join();
    return core::fail(facts.error());
  }
  out->stop_ = kj::mv((*facts)->stop);
  out->addresses_ = (*facts)->addresses;
  return out;
}

front_end::~front_end() {
  if (stop_.get() != nullptr) stop_->fulfill();
  if (thread_.joinable()) thread_.join();
}

} // namespace fastptm::rpc
