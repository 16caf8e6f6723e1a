// Connections, fetches, and how each of them ends.
#include "transport/ucx/fetching.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "core/log.hpp"
#include "core/socket_address.hpp"
#include "transport/peer_memory.hpp"
#include "transport/refusals.hpp"

namespace fastptm::transport::ucx {

namespace {

constexpr core::duration_us check_every_us = 2'000;

} // namespace

fetching::fetching(worker& by, const cluster_secret& secret, bool may_use_cma, core::duration_us connect_us,
                   memory_reading reading)
    : worker_(by), secret_(secret), may_use_cma_(may_use_cma), connect_us_(connect_us), reading_(std::move(reading)) {}

fetching::~fetching() = default;

core::result<void> fetching::start() {
  if (auto set = worker_.set_handler(wire::challenge_id, on_challenge, this); !set) return set;
  if (auto set = worker_.set_handler(wire::verdict_id, on_verdict, this); !set) return set;
  return worker_.set_handler(wire::data_id, on_data, this);
}

// -- connections ------------------------------------------------------------------------------------------------------

core::result<fetching::connection*> fetching::connection_to(const peer_address& peer) {
  if (const auto found = connections_.find(peer.node); found != connections_.end()) {
    if (found->second->peer == peer && !found->second->to.failed()) return found->second.get();
    fail(*found->second, {core::errc::unavailable, fmt::format("{} was left for another life of it", peer.node)});
  }
  if (peer.data_host.empty())
    return core::fail(core::errc::unavailable, fmt::format("{} does not listen for ucx", peer.node));
  const auto address = core::parse_address(peer.data_host, peer.data_port);
  if (!address) return core::fail(peer.node, address.error());
  auto made = std::make_unique<connection>();
  made->number = ++last_connection_;
  made->peer = peer;
  made->since_us = clock_.now_us();
  made->asker = make_nonce();
  const auto number = made->number;
  const wire::hello hello{.connection = number, .incarnation = peer.incarnation, .asker = made->asker};
  auto connected = made->to.connect(worker_.handle(), *address, [this, number] { failed_.push_back(number); });
  if (connected) connected = made->to.send(wire::hello_id, hello);
  if (!connected) {
    made->to.begin_close();
    closing_.push_back(std::move(made));
    return core::fail(fmt::format("connecting to {} at {} port {}", peer.node, peer.data_host, peer.data_port),
                      connected.error());
  }
  return connections_.emplace(peer.node, std::move(made)).first->second.get();
}

fetching::connection* fetching::find(uint64_t number) {
  for (auto& [node, one] : connections_)
    if (one->number == number) return one.get();
  return nullptr;
}

ucs_status_t fetching::on_challenge(void* self, const void* header, size_t header_bytes, void*, size_t,
                                    const ucp_am_recv_param_t*) {
  auto& here = *static_cast<fetching*>(self);
  const auto message = wire::read<wire::challenge>(header, header_bytes);
  auto* to = message ? here.find(message->connection) : nullptr;
  if (to && to->at == handshake::greeting) here.answer(*to, *message);
  return UCS_OK;
}

void fetching::answer(connection& to, const wire::challenge& message) {
  if (!equal(message.proven, secret_.prove("source", to.asker, message.source, message.session))) {
    to.why = {core::errc::permission_denied, fmt::format("{} does not know the cluster secret", to.peer.node)};
    failed_.push_back(to.number);
    return;
  }
  to.at = handshake::proving;
  to.session = message.session;
  to.pid = message.pid;
  const bool same_host = !to.peer.boot_id.empty() && to.peer.boot_id == this_boot_id();
  if (may_use_cma_ && same_host && can_read_peer(message.pid, message.probe_address, message.session))
    to.way = path::cma;
  const wire::answer reply{message.session, secret_.prove("asker", to.asker, message.source, message.session)};
  if (!to.to.send(wire::answer_id, reply)) failed_.push_back(to.number);
}

ucs_status_t fetching::on_verdict(void* self, const void* header, size_t header_bytes, void*, size_t,
                                  const ucp_am_recv_param_t*) {
  auto& here = *static_cast<fetching*>(self);
  const auto message = wire::read<wire::verdict>(header, header_bytes);
  auto* to = message ? here.find(message->connection) : nullptr;
  if (!to || to->at == handshake::ready) return UCS_OK;
  if (message->error != 0 || to->at != handshake::proving) {
    const auto code = message->error ? known_code(message->error) : core::errc::internal;
    to->why = {code, fmt::format("{} {}", to->peer.node, explain_refusal(code))};
    here.failed_.push_back(to->number);
    return UCS_OK;
  }
  to->at = handshake::ready;
  to->heard_us = here.clock_.now_us();
  core::log::info("transport", "peer-connected", "bytes from {} travel by {}", to->peer.node, to_string(to->way));
  if (here.on_path) here.on_path(to->peer.node, to->way);
  for (const auto id : to->fetches) here.ask(*here.fetches_.at(id));
  return UCS_OK;
}

// -- fetches ----------------------------------------------------------------------------------------------------------

void fetching::fetch(wanted_fetch what) {
  const auto from = connection_to(what.peer);
  auto one = std::make_unique<flight>();
  one->here = this;
  one->what = std::move(what);
  if (!from) return finish(*one, core::fail(from.error()));
  one->from = *from;
  const auto id = one->what.id.value;
  (*from)->fetches.insert(id);
  auto& placed = *fetches_.emplace(id, std::move(one)).first->second;
  if ((*from)->at == handshake::ready) ask(placed);
}

void fetching::ask(flight& one) {
  one.asked = true;
  one.asked_us = clock_.now_us();
  const wire::fetch message{one.from->session, one.what.id.value, reads_memory(*one.from), one.what.request.source};
  if (!one.from->to.send(wire::fetch_id, message)) failed_.push_back(one.from->number);
}

ucs_status_t fetching::on_data(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                               const ucp_am_recv_param_t* param) {
  auto& here = *static_cast<fetching*>(self);
  const auto message = wire::read<wire::data>(header, header_bytes);
  const auto found = message ? here.fetches_.find(message->id) : here.fetches_.end();
  // Unknown: cancelled or failed meanwhile. UCX drops the rendezvous and tells the source that it is over.
  if (found == here.fetches_.end() || !found->second->asked || found->second->receiving) return UCS_OK;
  auto& one = *found->second;
  one.from->heard_us = here.clock_.now_us();
  if (message->error != 0) {
    const auto code = known_code(message->error);
    here.finish(one, core::fail(code, fmt::format("{} {}", one.what.peer.node, explain_refusal(code))));
    return UCS_OK;
  }
  if (message->address != 0 && here.reads_memory(*one.from)) {
    here.read_memory(one, message->address);
    return UCS_OK;
  }
  if (data_bytes != one.what.request.source.length_bytes) {
    here.finish(
        one, core::fail(core::errc::corrupt, fmt::format("{} sent {} bytes where {} were asked for", one.what.peer.node,
                                                         data_bytes, one.what.request.source.length_bytes)));
    return UCS_OK;
  }
  return here.receive(one, data, data_bytes, param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV);
}

ucs_status_t fetching::receive(flight& one, void* data, uint64_t length_bytes, bool rendezvous) {
  const auto& target = one.what.request.target;
  if (!rendezvous) {
    std::memcpy(target.address, data, length_bytes);
    finish(one, {});
    return UCS_OK;
  }
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.cb.recv_am = on_received;
  param.user_data = &one;
  param.memory_type = memory_type(target.kind);
  one.receiving = true;
  one.from->to.operation_begins();
  auto* request = ucp_am_recv_data_nbx(worker_.handle(), data, target.address, length_bytes, &param);
  if (UCS_PTR_IS_PTR(request)) return UCS_INPROGRESS;
  one.from->to.operation_ends();
  if (UCS_PTR_IS_ERR(request)) {
    finish(one, core::fail(from_status(UCS_PTR_STATUS(request), one.what.peer.node)));
    return UCS_OK;
  }
  finish(one, {});
  return UCS_INPROGRESS;
}

void fetching::on_received(void* request, ucs_status_t status, size_t, void* user_data) {
  ucp_request_free(request);
  auto& one = *static_cast<flight*>(user_data);
  one.from->to.operation_ends();
  one.from->heard_us = one.here->clock_.now_us();
  if (status == UCS_OK) return one.here->finish(one, {});
  auto why = one.from->at == handshake::closing ? one.from->why : from_status(status, one.what.peer.node);
  one.here->finish(one, core::fail(std::move(why)));
}

void fetching::read_memory(flight& one, uint64_t address) {
  one.receiving = true;
  ++one.from->reading;
  reading_.start(one.what.id.value, one.from->pid, address, one.what.request);
}

void fetching::on_read(uint64_t id, bool complete, std::optional<uint64_t> checksum) {
  auto& one = *fetches_.at(id);
  auto& from = *one.from;
  --from.reading;
  from.heard_us = clock_.now_us();
  if (from.at == handshake::ready && !from.to.send(wire::release_id, wire::release{from.session, id}))
    failed_.push_back(from.number);
  if (complete) return finish(one, {}, checksum);
  auto why = core::error{core::errc::unavailable, fmt::format("reading the memory of {} failed", one.what.peer.node)};
  finish(one, core::fail(from.at == handshake::closing ? from.why : std::move(why)));
}

// The only end of a fetch.
void fetching::finish(flight& one, core::result<void> outcome, std::optional<uint64_t> checksum) {
  const auto what = std::move(one.what);
  if (one.from) {
    const auto way = one.from->way;
    const auto now = clock_.now_us();
    const bool may_be_torn = way == path::cma && now - one.asked_us > grant_us;
    one.from->fetches.erase(what.id.value);
    fetches_.erase(what.id.value); // `one` is gone
    if (outcome)
      return what.done(fetched{what.request.source.length_bytes, now - what.called_us, way, checksum, may_be_torn});
  }
  what.done(core::fail(outcome.error()));
}

void fetching::cancel(transport::fetch_id id) {
  const auto found = fetches_.find(id.value);
  if (found == fetches_.end() || found->second->receiving) return;
  finish(*found->second, core::fail(core::errc::cancelled, "the fetch was cancelled"));
}

// -- ends -------------------------------------------------------------------------------------------------------------

// Fetches that UCX does not know of fail now; those it receives for fail when it lets go of their targets.
void fetching::fail(connection& which, core::error why) {
  const auto found = connections_.find(which.peer.node);
  if (found == connections_.end() || found->second.get() != &which) return;
  auto owned = std::move(found->second);
  connections_.erase(found);
  owned->at = handshake::closing;
  owned->why = std::move(why);
  owned->to.begin_close();
  auto& closing = *closing_.emplace_back(std::move(owned));
  const auto fetches = closing.fetches; // finish() changes the set
  for (const auto id : fetches)
    if (auto& one = *fetches_.at(id); !one.receiving) finish(one, core::fail(closing.why));
}

void fetching::close_peer(const std::string& node, uint64_t incarnation) {
  const auto found = connections_.find(node);
  if (found != connections_.end() && found->second->peer.incarnation == incarnation)
    fail(*found->second, {core::errc::unavailable, fmt::format("{} was declared lost", node)});
}

bool fetching::progress(core::time_us now) {
  bool worked = false;
  for (const auto number : std::exchange(failed_, {})) {
    worked = true;
    auto* which = find(number);
    if (!which) continue;
    auto why = which->why.message.empty()
                   ? core::error{core::errc::unavailable, fmt::format("{} broke the connection", which->peer.node)}
                   : which->why;
    fail(*which, std::move(why));
  }
  if (now >= next_check_us_) worked |= check_deadlines(now);
  return worked | (std::erase_if(closing_, [](auto& one) { return one->to.closed() && one->fetches.empty(); }) > 0);
}

// While its memory is read the peer waits for us.
core::time_us fetching::deadline_us(const flight& one) const {
  if (one.from->at == handshake::closing || one.from->reading > 0) return std::numeric_limits<core::time_us>::max();
  return std::max(one.what.called_us, one.from->heard_us) + one.what.request.timeout_us;
}

// A fetch that is late means a peer that hangs: its endpoint is closed by force, which is the only way to get back the
// targets it might still write into.
bool fetching::check_deadlines(core::time_us now) {
  next_check_us_ = now + check_every_us;
  std::vector<std::pair<uint64_t, std::string>> late; // connection, what was late
  for (const auto& [node, one] : connections_)
    if (one->at != handshake::ready && now - one->since_us > connect_us_)
      late.emplace_back(one->number, fmt::format("{} did not answer within {} ms", node, connect_us_ / 1000));
  for (const auto& [id, one] : fetches_)
    if (now > deadline_us(*one))
      late.emplace_back(one->from->number, fmt::format("{} has brought nothing for {} ms", one->what.peer.node,
                                                       one->what.request.timeout_us / 1000));
  for (auto& [number, text] : late)
    if (auto* which = find(number)) fail(*which, {core::errc::deadline_exceeded, std::move(text)});
  return !late.empty();
}

bool fetching::receives_here() const {
  return std::any_of(fetches_.begin(), fetches_.end(),
                     [this](auto& one) { return one.second->asked && !reads_memory(*one.second->from); });
}

core::duration_us fetching::until_deadline_us(core::time_us now) const {
  core::duration_us nearest = closing_.empty() ? 1'000'000 : check_every_us;
  for (const auto& [node, one] : connections_)
    if (one->at != handshake::ready) nearest = std::min(nearest, one->since_us + connect_us_ - now);
  for (const auto& [id, one] : fetches_) nearest = std::min(nearest, deadline_us(*one) - now);
  return std::max(nearest, check_every_us);
}

void fetching::close_all() {
  while (!connections_.empty()) fail(*connections_.begin()->second, {core::errc::cancelled, "this node is stopping"});
}

} // namespace fastptm::transport::ucx
