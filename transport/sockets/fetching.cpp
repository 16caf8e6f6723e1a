// Connections, fetches, and how each of them ends.
#include "transport/sockets/fetching.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "core/log.hpp"
#include "transport/peer_memory.hpp"
#include "transport/refusals.hpp"

namespace fastptm::transport::sockets {

namespace {

constexpr core::duration_us check_every_us = 2'000;
// Half of what a source waits before it closes an idle connection: it is never closed under a fetch.
constexpr core::duration_us idle_us = 60'000'000;
// Of one source before the others have their turn.
constexpr int steps_a_turn = 16;
constexpr uint64_t receive_bytes = 4 << 20;

template <class Message> Message read(const std::array<std::byte, sizeof(wire::message)>& buffer) {
  Message out;
  std::memcpy(&out, buffer.data(), sizeof out);
  return out;
}

} // namespace

fetching::fetching(poller& by, const cluster_secret& secret, std::string own_name, core::duration_us connect_us,
                   memory_reading reading)
    : poller_(by), secret_(secret), own_name_(std::move(own_name)), connect_us_(connect_us),
      reading_(std::move(reading)) {}

fetching::~fetching() = default;

// -- connections ------------------------------------------------------------------------------------------------------

core::result<fetching::connection*> fetching::connection_to(const peer_address& peer) {
  if (const auto found = by_node_.find(peer.node); found != by_node_.end()) {
    if (found->second->peer == peer) return found->second;
    end(*found->second, {core::errc::unavailable, fmt::format("{} was left for another life of it", peer.node)});
  }
  if (peer.data_host.empty())
    return core::fail(core::errc::unavailable, fmt::format("{} does not listen on a data port", peer.node));
  return connect(peer);
}

core::result<fetching::connection*> fetching::connect(const peer_address& peer) {
  auto socket = link::begin_connect(peer.data_host, peer.data_port);
  if (!socket)
    return core::fail(fmt::format("{} at {} port {}", peer.node, peer.data_host, peer.data_port), socket.error());
  auto made = std::make_unique<connection>(std::move(*socket), poller_.next_number(), peer);
  if (!poller_.add(made->to.socket(), made->number, true, true))
    return core::fail(core::errc::unavailable, "the kernel has no room to watch another connection");
  made->since_us = made->heard_us = clock_.now_us();
  made->asker = make_nonce();
  by_node_[peer.node] = made.get();
  return connections_.emplace(made->number, std::move(made)).first->second.get();
}

bool fetching::on_event(const event& what, core::time_us now) {
  const auto found = connections_.find(what.number);
  if (found == connections_.end()) return false;
  auto& to = *found->second;
  const bool goes_on = to.at == stage::connecting ? greet(to) : !what.readable || take(to, now);
  if (!goes_on || !flush(to)) {
    auto why = std::move(to.why);
    if (why.message.empty()) why = {core::errc::unavailable, fmt::format("{} broke the connection", to.peer.node)};
    end(to, why);
  }
  return true;
}

bool fetching::greet(connection& to) {
  if (const auto done = to.to.connected(); !done) {
    to.why = {done.error().code, fmt::format("{} at {} port {}: {}", to.peer.node, to.peer.data_host, to.peer.data_port,
                                             done.error().message)};
    return false;
  }
  to.at = stage::greeting;
  to.to.give(wire::hello{.incarnation = to.peer.incarnation, .asker = to.asker, .name = wire::padded(own_name_)});
  return true;
}

bool fetching::take(connection& to, core::time_us now) {
  for (int i = 0; i < steps_a_turn; ++i) {
    bool any = false;
    if (!(to.left_bytes > 0 ? take_payload(to, now, any) : take_message(to, now, any))) return false;
    if (!any) return true;
  }
  return true;
}

bool fetching::take_payload(connection& to, core::time_us now, bool& any) {
  const auto most = std::min(to.left_bytes, receive_bytes);
  link::moved got;
  if (to.into) {
    const auto& target = to.into->what.request;
    got = to.to.take(target.target.address + (target.source.length_bytes - to.left_bytes), most);
  } else {
    got = to.to.drop(most);
  }
  if (got.ended) return false;
  any = got.bytes > 0;
  if (any) to.heard_us = now;
  to.left_bytes -= got.bytes;
  if (to.left_bytes == 0 && to.into) finish(*to.into, {});
  return true;
}

bool fetching::take_message(connection& to, core::time_us now, bool& any) {
  const auto wanted = to.at == stage::greeting ? sizeof(wire::challenge) : sizeof(wire::message);
  const auto got = to.to.take(to.buffer.data() + to.have_bytes, wanted - to.have_bytes);
  if (got.ended) return false;
  any = got.bytes > 0;
  if (any) to.heard_us = now;
  to.have_bytes += got.bytes;
  if (to.have_bytes < wanted) return true;
  to.have_bytes = 0;
  return to.at == stage::greeting ? on_challenge(to) : on_message(to);
}

bool fetching::on_challenge(connection& to) {
  const auto message = read<wire::challenge>(to.buffer);
  if (message.error != 0) {
    const auto code = known_code(message.error);
    to.why = {code, fmt::format("{} {}", to.peer.node, explain_refusal(code))};
    return false;
  }
  if (!equal(message.proven, secret_.prove(wire::source_role, to.asker, message.source, message.session))) {
    to.why = {core::errc::permission_denied, fmt::format("{} does not know the cluster secret", to.peer.node)};
    return false;
  }
  to.session = message.session;
  to.at = stage::proving;
  const auto key = secret_.prove(wire::session_role, to.asker, message.source, message.session);
  to.taken.emplace(key, message_tags::direction::to_asker);
  to.given.emplace(key, message_tags::direction::to_source);
  to.to.give(wire::answer{secret_.prove(wire::asker_role(own_name_), to.asker, message.source, message.session)});
  return true;
}

bool fetching::on_message(connection& to) {
  const auto message = read<wire::message>(to.buffer);
  if (!to.taken->is_next(wire::sealed_part(message), message.sealed)) {
    to.why = {core::errc::corrupt, fmt::format("a message of {} was changed on its way", to.peer.node)};
    return false;
  }
  if (to.at == stage::proving) return message.kind == wire::kind::welcome && on_welcome(to, message);
  if (message.kind == wire::kind::data) return on_data(to, message);
  return message.kind == wire::kind::granted && on_granted(to, message);
}

bool fetching::on_welcome(connection& to, const wire::message& message) {
  to.at = stage::ready;
  to.pid = static_cast<int64_t>(message.id);
  const bool same_host = !to.peer.boot_id.empty() && to.peer.boot_id == this_boot_id();
  if (reading_.pool && same_host && can_read_peer(to.pid, message.address, to.session)) to.way = path::cma;
  core::log::info("transport", "peer-connected", "bytes from {} travel by {}", to.peer.node, to_string(to.way));
  if (on_path) on_path(to.peer.node, to.way);
  for (const auto id : to.fetches) ask(*fetches_.at(id));
  return true;
}

bool fetching::flush(connection& to) {
  if (to.at == stage::connecting) return true;
  if (to.to.flush(receive_bytes).ended) return false;
  const bool more = to.to.has_to_give();
  if (std::exchange(to.wants_to_write, more) != more) poller_.change(to.to.socket(), to.number, true, more);
  return true;
}

void fetching::give(connection& to, wire::message message) {
  message.sealed = to.given->next(wire::sealed_part(message));
  to.to.give(message, {}, {});
}

// -- fetches ----------------------------------------------------------------------------------------------------------

void fetching::fetch(wanted_fetch what) {
  const auto from = connection_to(what.peer);
  if (!from) return what.done(core::fail(from.error()));
  auto one = std::make_unique<flight>();
  one->from = *from;
  one->what = std::move(what);
  const auto id = one->what.id.value;
  (*from)->fetches.insert(id);
  auto& placed = *fetches_.emplace(id, std::move(one)).first->second;
  if ((*from)->at != stage::ready) return;
  ask(placed);
  (void)flush(**from); // a broken connection is told as an event
}

void fetching::ask(flight& one) {
  one.asked = true;
  one.asked_us = clock_.now_us();
  const bool reads = one.from->way == path::cma;
  give(*one.from, {.kind = reads ? wire::kind::fetch_by_reading : wire::kind::fetch,
                   .id = one.what.id.value,
                   .range = one.what.request.source});
}

// Null: given up meanwhile.
fetching::flight* fetching::find(connection& from, uint64_t id) {
  const auto found = fetches_.find(id);
  const bool owed =
      found != fetches_.end() && found->second->from == &from && found->second->asked && !found->second->reading;
  return owed ? found->second.get() : nullptr;
}

bool fetching::on_data(connection& to, const wire::message& message) {
  auto* one = find(to, message.id);
  if (message.error != 0) {
    const auto code = known_code(message.error);
    if (one) finish(*one, core::fail(code, fmt::format("{} {}", to.peer.node, explain_refusal(code))));
    return true;
  }
  to.left_bytes = message.range.length_bytes;
  if (one && to.left_bytes != one->what.request.source.length_bytes) {
    to.why = {core::errc::corrupt, fmt::format("{} sends {} bytes where {} were asked for", to.peer.node, to.left_bytes,
                                               one->what.request.source.length_bytes)};
    return false;
  }
  to.into = one;
  return true;
}

bool fetching::on_granted(connection& to, const wire::message& message) {
  if (auto* one = find(to, message.id)) {
    read_memory(*one, message.address);
  } else {
    give(to, {.kind = wire::kind::release, .id = message.id});
  }
  return true;
}

void fetching::read_memory(flight& one, uint64_t address) {
  one.reading = true;
  ++one.from->reading;
  reading_.start(one.what.id.value, one.from->pid, address, one.what.request);
}

void fetching::on_read(uint64_t id, bool complete, std::optional<uint64_t> checksum) {
  auto& one = *fetches_.at(id);
  if (one.from) {
    --one.from->reading;
    one.from->heard_us = clock_.now_us();
    give(*one.from, {.kind = wire::kind::release, .id = id});
    (void)flush(*one.from); // a broken connection is told as an event
  }
  if (complete) return finish(one, {}, checksum);
  auto why = core::error{core::errc::unavailable, fmt::format("reading the memory of {} failed", one.what.peer.node)};
  finish(one, core::fail(one.from ? std::move(why) : one.why));
}

// The only end of a fetch.
void fetching::finish(flight& one, core::result<void> outcome, std::optional<uint64_t> checksum) {
  const auto what = std::move(one.what);
  if (one.from) {
    one.way = one.from->way;
    one.from->fetches.erase(what.id.value);
    if (one.from->into == &one) one.from->into = nullptr;
  }
  const auto way = one.way;
  const auto now = clock_.now_us();
  const bool may_be_torn = one.reading && now - one.asked_us > grant_us;
  fetches_.erase(what.id.value); // `one` is gone
  if (!outcome) return what.done(core::fail(outcome.error()));
  what.done(fetched{what.request.source.length_bytes, now - what.called_us, way, checksum, may_be_torn});
}

void fetching::cancel(transport::fetch_id id) {
  const auto found = fetches_.find(id.value);
  if (found != fetches_.end()) give_up(*found->second, {core::errc::cancelled, "the fetch was cancelled"});
}

// What is being read ends by itself within a moment.
void fetching::give_up(flight& one, core::error why) {
  if (one.reading) return;
  if (one.asked) {
    give(*one.from, {.kind = wire::kind::cancel, .id = one.what.id.value});
    (void)flush(*one.from);
  }
  finish(one, core::fail(std::move(why)));
}

// -- ends -------------------------------------------------------------------------------------------------------------

void fetching::end(connection& which, const core::error& why) {
  const auto found = connections_.find(which.number);
  const auto owned = std::move(found->second);
  connections_.erase(found);
  if (const auto known = by_node_.find(owned->peer.node); known != by_node_.end() && known->second == owned.get())
    by_node_.erase(known);
  const auto fetches = std::move(owned->fetches); // finish() changes the set
  for (const auto id : fetches) {
    auto& one = *fetches_.at(id);
    one.from = nullptr;
    one.way = owned->way;
    one.why = why;
    if (!one.reading) finish(one, core::fail(why));
  }
}

void fetching::close_peer(const std::string& node, uint64_t incarnation) {
  const auto found = by_node_.find(node);
  if (found != by_node_.end() && found->second->peer.incarnation == incarnation)
    end(*found->second, {core::errc::unavailable, fmt::format("{} was declared lost", node)});
}

// While its memory is read the peer waits for us, and connecting has a bound of its own.
core::time_us fetching::deadline_us(const flight& one) const {
  if (!one.from || one.from->at != stage::ready || one.from->reading > 0)
    return std::numeric_limits<core::time_us>::max();
  return std::max(one.what.called_us, one.from->heard_us) + one.what.request.timeout_us;
}

bool fetching::check(core::time_us now) {
  if (now < next_check_us_) return false;
  next_check_us_ = now + check_every_us;
  std::vector<std::pair<uint64_t, core::error>> over;
  for (const auto& [number, one] : connections_)
    if (auto why = why_over(*one, now)) over.emplace_back(number, std::move(*why));
  for (auto& [number, why] : over) end(*connections_.at(number), why);
  return !over.empty();
}

std::optional<core::error> fetching::why_over(const connection& one, core::time_us now) const {
  if (one.at != stage::ready && now - one.since_us > connect_us_) {
    auto text = fmt::format("{} did not answer within {} ms", one.peer.node, connect_us_ / 1000);
    return core::error{core::errc::deadline_exceeded, std::move(text)};
  }
  if (one.fetches.empty() && now - one.heard_us > idle_us)
    return core::error{core::errc::unavailable, "nothing was asked of it for a while"};
  for (const auto id : one.fetches) {
    const auto& late = *fetches_.at(id);
    if (now <= deadline_us(late)) continue;
    auto text = fmt::format("{} has brought nothing for {} ms", one.peer.node, late.what.request.timeout_us / 1000);
    return core::error{core::errc::deadline_exceeded, std::move(text)};
  }
  return std::nullopt;
}

core::duration_us fetching::until_check_us(core::time_us now) const {
  core::duration_us nearest = 1'000'000;
  for (const auto& [number, one] : connections_)
    if (one->at != stage::ready) nearest = std::min(nearest, one->since_us + connect_us_ - now);
  for (const auto& [id, one] : fetches_) nearest = std::min(nearest, deadline_us(*one) - now);
  return std::max(nearest, check_every_us);
}

void fetching::close_all() {
  while (!connections_.empty()) end(*connections_.begin()->second, {core::errc::cancelled, "this node is stopping"});
}

} // namespace fastptm::transport::sockets
