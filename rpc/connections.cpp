// One RPC system per connection.
#include "rpc/connections.hpp"

#include <fmt/format.h>
#include <kj/debug.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/log.hpp"
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

struct connections::connection final : visitor {
  connections& owner;
  strangers::place place;
  std::string who; // empty: a stranger
  uint64_t token = 0;
  guarded_stream stream;
  capnp::TwoPartyVatNetwork network;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;

  connection(connections& of, kj::Own<kj::AsyncIoStream> socket)
      : owner(of), place(of.strangers_, network_of(*socket)), stream(kj::mv(socket), stranger_bytes),
        network(stream, capnp::rpc::twoparty::Side::SERVER, reader_options(of.limits_.message_bytes)),
        system(capnp::makeRpcServer(network, of.bootstrap_(*this))) {
    system.setFlowLimit(of.limits_.flow_bytes / sizeof(capnp::word));
  }
  ~connection() { owner.forget(*this); }

  core::result<void> log_in(const std::string& name, uint64_t by) override { return owner.log_in(*this, name, by); }
};

connections::connections(kj::Own<kj::ConnectionReceiver> listener, kj::Timer& timer, const std::string& port,
                         connection_limits limits, core::metrics_registry& metrics, make_bootstrap bootstrap)
    : timer_(timer), limits_(limits), bootstrap_(std::move(bootstrap)),
      open_(metrics.make_gauge("fastptm_rpc_connections", "Connections that are logged in", label_of(port))),
      refused_(metrics.make_counter("fastptm_rpc_refused_connections_total",
                                    "Logins with a good token beyond a bound of connections", label_of(port))),
      strangers_(limits.strangers, port, metrics), quota_(limits.known), tasks_(*this),
      acceptor_(kj::mv(listener), timer, port, metrics,
                [this](kj::Own<kj::AsyncIoStream> socket) { serve(kj::mv(socket)); }) {}

void connections::serve(kj::Own<kj::AsyncIoStream> socket) {
  probe_when_quiet(*socket);
  auto made = kj::heap<connection>(*this, kj::mv(socket));
  auto& it = *made;
  auto patience = timer_.afterDelay(limits_.login_timeout_us * kj::MICROSECONDS).then([&it]() -> kj::Promise<void> {
    if (!it.who.empty()) return kj::NEVER_DONE;
    return KJ_EXCEPTION(DISCONNECTED, "did not log in");
  });
  tasks_.add(it.network.onDisconnect()
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
  from.stream.trust();
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
