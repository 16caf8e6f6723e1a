// One RPC system per connection.
#include "rpc/connections.hpp"

#include <fmt/format.h>
#include <kj/debug.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/log.hpp"
#include "rpc/gated_network.hpp"
#include "rpc/guarded_stream.hpp"

namespace fastptm::rpc {

namespace {

// A login takes some 300. A call of a stranger costs up to 11 KiB until its answer was taken: 128 who send nothing else
// have 25 MiB.
constexpr size_t stranger_bytes = 2 << 10;

// A client whose machine or network went without a word gives its place back within a minute.
constexpr int quiet_s = 30, probe_every_s = 10, probes = 3;

capnp::ReaderOptions reader_options(uint64_t message_bytes) {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = message_bytes / sizeof(capnp::word);
  options.nestingLimit = 32;
  return options;
}

void set(kj::AsyncIoStream& socket, int level, int option, int value) {
  socket.setsockopt(level, option, &value, sizeof value);
}

void probe_when_quiet(kj::AsyncIoStream& socket) {
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, quiet_s);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, probe_every_s);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, probes);
}

std::string label_of(const std::string& port) {
  return fmt::format("port=\"{}\"", port);
}

} // namespace

// From when the stream carries RPC.
struct connections::session {
  guarded_stream stream;
  gated_network network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;

  session(kj::Own<kj::AsyncIoStream> socket, guarded_stream::pieces how, const connection_limits& limits,
          capnp::Capability::Client bootstrap)
      : stream(kj::mv(socket), stranger_bytes, how), network(stream, reader_options(limits.message_bytes)),
        system(capnp::makeRpcServer(network, kj::mv(bootstrap))) {
    system.setFlowLimit(limits.flow_bytes / sizeof(capnp::word));
  }
};

struct connections::connection final : visitor {
  connections& owner;
  strangers::place place;
  std::string who; // empty: a stranger
  uint64_t token = 0;
  kj::Own<session> rpc; // none while TLS is agreed upon

  connection(connections& of, std::string network) : owner(of), place(of.strangers_, std::move(network)) {}
  ~connection() { owner.forget(*this); }

  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream, guarded_stream::pieces how) {
    rpc = kj::heap<session>(kj::mv(stream), how, owner.limits_, owner.bootstrap_(*this));
    return rpc->network.onDisconnect();
  }
  core::result<void> log_in(const std::string& name, uint64_t by) override { return owner.log_in(*this, name, by); }
  void count_for(tenant_account& tenant) override { rpc->network.count_for(tenant); }
};

connections::connections(kj::Timer& timer, std::string port, connection_limits limits, core::metrics_registry& metrics,
                         make_bootstrap bootstrap)
    : timer_(timer), port_(std::move(port)), limits_(limits), bootstrap_(std::move(bootstrap)), metrics_(metrics),
      open_(metrics.make_gauge("fastptm_rpc_connections", "Connections that are logged in", label_of(port_))),
      refused_(metrics.make_counter("fastptm_rpc_refused_connections_total",
                                    "Logins with a good token beyond a bound of connections", label_of(port_))),
      strangers_(limits.strangers, port_, metrics), quota_(limits.known), tasks_(*this) {}

void connections::listen(kj::Own<kj::ConnectionReceiver> listener, kj::TlsContext* tls) {
  acceptors_.push_back(
      kj::heap<acceptor>(kj::mv(listener), timer_, port_, metrics_,
                         [this, tls](kj::Own<kj::AsyncIoStream> socket) { serve(kj::mv(socket), tls); }));
}

void connections::serve(kj::Own<kj::AsyncIoStream> socket, kj::TlsContext* tls) {
  probe_when_quiet(*socket);
  auto made = kj::heap<connection>(*this, network_of(*socket));
  auto& it = *made;
  const auto how = tls == nullptr ? guarded_stream::pieces::apart : guarded_stream::pieces::joined;
  auto patience = timer_.afterDelay(limits_.login_timeout_us * kj::MICROSECONDS).then([&it]() -> kj::Promise<void> {
    if (!it.who.empty()) return kj::NEVER_DONE;
    return KJ_EXCEPTION(DISCONNECTED, "did not log in");
  });
  auto stream =
      tls == nullptr ? kj::Promise<kj::Own<kj::AsyncIoStream>>(kj::mv(socket)) : tls->wrapServer(kj::mv(socket));
  tasks_.add(stream.then([&it, how](kj::Own<kj::AsyncIoStream> ready) { return it.serve(kj::mv(ready), how); })
                 .exclusiveJoin(kj::mv(patience))
                 .exclusiveJoin(it.place.sent_away())
                 .attach(kj::mv(made)));
}

core::result<void> connections::log_in(connection& from, const std::string& who, uint64_t token) {
  if (!from.who.empty() && from.who != who)
    return core::fail(core::errc::invalid, "this connection is somebody else's: use one for each tenant");
  if (from.who.empty()) {
    if (auto room = quota_.enter(who); !room) {
      refused_.add();
      return room;
    }
    from.who = who;
    known_.insert(&from);
    open_.add(1);
  }
  from.token = token;
  from.place.leave();
  from.rpc->stream.trust();
  return {};
}

void connections::forget(connection& ended) {
  if (known_.erase(&ended) == 0) return;
  quota_.leave(ended.who);
  open_.add(-1);
}

void connections::end_all_of(uint64_t token) {
  for (auto* each : known_)
    if (each->token == token) each->place.send_away("its token is not good any more");
}

void connections::taskFailed(kj::Exception&& exception) {
  core::log::debug("rpc", "connection-ended", "{}", exception.getDescription().cStr());
}

} // namespace fastptm::rpc
