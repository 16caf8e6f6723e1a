// Sessions, their handshake, their queues.
#include "transport/sockets/serving.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include <unistd.h>

#include "core/log.hpp"
#include "core/random.hpp"

namespace fastptm::transport::sockets {

namespace {

// Of one peer before the others have their turn.
constexpr uint64_t flush_bytes = 4 << 20;
constexpr int messages_a_turn = 64, accepts_a_turn = 16;
// Sent one behind the other; the second waits so that the socket never runs dry.
constexpr unsigned sends_at_once = 2;
constexpr core::duration_us complain_every_us = 1'000'000;

template <class Message> Message read(const std::array<std::byte, sizeof(wire::message)>& buffer) {
  Message out;
  std::memcpy(&out, buffer.data(), sizeof out);
  return out;
}

} // namespace

serving::serving(poller& by, exporter& exports, const cluster_secret& secret, uint64_t incarnation,
                 serving_limits limits, connection_metrics& counts)
    : poller_(by), exports_(exports), secret_(secret), incarnation_(incarnation), limits_(limits), counts_(counts) {}

serving::~serving() = default;

core::result<uint16_t> serving::listen(const std::string& host, uint16_t port) {
  auto made = listener::open(host, port);
  if (!made) return core::fail(made.error());
  listener_.emplace(std::move(*made));
  listener_number_ = poller_.next_number();
  if (!poller_.add(listener_->socket(), listener_number_, true, false))
    return core::fail(core::errc::unavailable, "the kernel has no room to watch the data port");
  return listener_->port();
}

bool serving::on_event(const event& what, core::time_us now) {
  if (what.number == listener_number_) {
    accept_some(now);
    return true;
  }
  const auto found = sessions_.find(what.number);
  if (found == sessions_.end()) return false;
  auto& who = *found->second;
  if (!(what.readable && !take(who, now)) && flush(who, now)) return true;
  if (who.at != stage::ready) counts_.refused.add();
  cut_off(what.number);
  return true;
}

// -- coming in --------------------------------------------------------------------------------------------------------

void serving::accept_some(core::time_us now) {
  for (int i = 0; i < accepts_a_turn; ++i) {
    auto came = listener_->accept();
    if (came.out_of_room) {
      if (may_complain()) core::log::warn("transport", "out-of-descriptors", "the data port waits: raise ulimit -n");
      paused_ = true;
      return poller_.change(listener_->socket(), listener_number_, false, false);
    }
    if (!came.socket) return;
    make_room_for_stranger();
    auto made = std::make_unique<session>(std::move(came.socket), poller_.next_number());
    made->since_us = made->moved_us = now;
    if (!poller_.add(made->to.socket(), made->number, true, false)) continue; // closes it
    strangers_.insert(made->number);
    sessions_.emplace(made->number, std::move(made));
  }
}

void serving::make_room_for_stranger() {
  if (strangers_.size() < limits_.strangers) return;
  counts_.crowded.add();
  cut_off(*strangers_.begin());
}

bool serving::make_room_for_peer() {
  if (sessions_.size() - strangers_.size() < limits_.peers) return true;
  const session* idle = nullptr;
  for (const auto& [number, who] : sessions_)
    if (!is_busy(*who) && (!idle || who->moved_us < idle->moved_us)) idle = who.get();
  if (!idle) return false;
  cut_off(idle->number);
  return true;
}

bool serving::take(session& who, core::time_us now) {
  for (int i = 0; i < messages_a_turn; ++i) {
    const auto wanted = who.at == stage::greeting  ? sizeof(wire::hello)
                        : who.at == stage::proving ? sizeof(wire::answer)
                                                   : sizeof(wire::message);
    const auto got = who.to.take(who.buffer.data() + who.have_bytes, wanted - who.have_bytes);
    if (got.ended) return false;
    if (got.bytes == 0) return true;
    who.moved_us = now;
    who.have_bytes += got.bytes;
    if (who.have_bytes < wanted) continue;
    who.have_bytes = 0;
    if (!take_one(who)) return false;
  }
  return true;
}

bool serving::take_one(session& who) {
  switch (who.at) {
    case stage::greeting:
      return greet(who);
    case stage::proving:
      return admit(who);
    default:
      return obey(who);
  }
}

bool serving::greet(session& who) {
  const auto message = read<wire::hello>(who.buffer);
  if (message.magic != wire::magic) return false;
  if (message.version != wire::version || message.incarnation != incarnation_) {
    who.to.give(wire::challenge{.error = static_cast<uint64_t>(core::errc::version_mismatch)});
    (void)who.to.flush(flush_bytes); // a fresh connection has room for it
    return false;
  }
  who.node = wire::unpadded(message.name);
  who.asker = message.asker;
  who.source = make_nonce();
  who.probed = core::true_random_u64();
  who.at = stage::proving;
  who.to.give(
      wire::challenge{0, who.probed, who.source, secret_.prove(wire::source_role, who.asker, who.source, who.probed)});
  return true;
}

bool serving::admit(session& who) {
  const auto message = read<wire::answer>(who.buffer);
  const auto role = wire::asker_role(who.node);
  if (!equal(message.proven, secret_.prove(role, who.asker, who.source, who.probed))) {
    if (may_complain())
      core::log::warn("transport", "peer-refused",
                      "a peer did not prove the cluster secret: its configuration differs");
    return false;
  }
  if (!make_room_for_peer()) return false;
  strangers_.erase(who.number);
  counts_.admitted.add();
  const auto key = secret_.prove(wire::session_role, who.asker, who.source, who.probed);
  who.taken.emplace(key, message_tags::direction::to_source);
  who.given.emplace(key, message_tags::direction::to_asker);
  who.at = stage::ready;
  welcome(who);
  return true;
}

void serving::welcome(session& who) {
  give(who, {.kind = wire::kind::welcome,
             .id = static_cast<uint64_t>(getpid()),
             .address = reinterpret_cast<uint64_t>(&who.probed)});
}

bool serving::may_complain() {
  const auto now = clock_.now_us();
  if (now < next_complaint_us_) return false;
  next_complaint_us_ = now + complain_every_us;
  return true;
}

// -- fetches ----------------------------------------------------------------------------------------------------------

bool serving::obey(session& who) {
  const auto message = read<wire::message>(who.buffer);
  if (!who.taken->is_next(wire::sealed_part(message), message.sealed)) return false;
  switch (message.kind) {
    case wire::kind::fetch:
    case wire::kind::fetch_by_reading:
      return enqueue(who, message);
    case wire::kind::release: {
      const auto found = who.under_way.find(message.id);
      if (found != who.under_way.end() && found->second.granted) end(who, message.id);
      return true;
    }
    case wire::kind::cancel:
      forget_waiting(who, message.id);
      return true;
    default:
      return false;
  }
}

bool serving::enqueue(session& who, const wire::message& wanted) {
  if (who.to.messages_to_give() >= limits_.unread_per_peer) return false;
  if (who.queue.size() < limits_.queued_per_peer) {
    who.queue.push_back(wanted);
  } else {
    refuse(who, wanted, core::errc::busy);
  }
  return true;
}

void serving::forget_waiting(session& who, uint64_t id) {
  std::erase_if(who.queue, [id](const wire::message& waiting) { return waiting.id == id; });
}

void serving::give(session& who, wire::message message, core::memory_region payload, std::function<void()> given) {
  message.sealed = who.given->next(wire::sealed_part(message));
  who.to.give(message, payload, std::move(given));
}

void serving::refuse(session& who, const wire::message& wanted, core::errc why) {
  give(who, {.kind = wire::kind::data, .error = static_cast<uint32_t>(why), .id = wanted.id});
}

void serving::serve(session& who) {
  while (!who.queue.empty() && who.sending < sends_at_once && who.under_way.size() < limits_.pinned_per_peer) {
    const auto wanted = who.queue.front();
    who.queue.pop_front();
    start(who, wanted);
  }
}

void serving::start(session& who, const wire::message& wanted) {
  if (who.under_way.contains(wanted.id)) return refuse(who, wanted, core::errc::invalid);
  const auto bytes = exports_.pin(wanted.range);
  if (!bytes) return refuse(who, wanted, bytes.error().code);
  if (bytes->kind == core::memory_kind::device) {
    exports_.unpin(wanted.range);
    return refuse(who, wanted, core::errc::unavailable); // needs a transport that reads it
  }
  const bool by_reading = wanted.kind == wire::kind::fetch_by_reading;
  who.under_way[wanted.id] = {wanted.range, clock_.now_us(), by_reading};
  if (by_reading) {
    return give(who, {.kind = wire::kind::granted,
                      .id = wanted.id,
                      .range = wanted.range,
                      .address = reinterpret_cast<uint64_t>(bytes->address)});
  }
  ++who.sending;
  give(who, {.kind = wire::kind::data, .id = wanted.id, .range = wanted.range}, *bytes, [this, &who, id = wanted.id] {
    --who.sending;
    end(who, id);
  });
}

void serving::end(session& who, uint64_t id) {
  const auto found = who.under_way.find(id);
  if (found == who.under_way.end()) return;
  const auto range = found->second.range;
  who.under_way.erase(found);
  exports_.unpin(range);
}

bool serving::flush(session& who, core::time_us now) {
  serve(who);
  const auto gone = who.to.flush(flush_bytes);
  if (gone.ended) return false;
  if (gone.bytes > 0) {
    who.moved_us = now;
    serve(who);
  }
  const bool more = who.to.has_to_give();
  if (std::exchange(who.wants_to_write, more) != more) poller_.change(who.to.socket(), who.number, true, more);
  return true;
}

// -- ends -------------------------------------------------------------------------------------------------------------

void serving::cut_off(uint64_t number) {
  const auto found = sessions_.find(number);
  if (found == sessions_.end()) return;
  const auto who = std::move(found->second);
  sessions_.erase(found);
  strangers_.erase(number);
  for (const auto& [id, one] : who->under_way) exports_.unpin(one.range);
}

void serving::expire_grants(session& who, core::time_us before_us) {
  std::vector<uint64_t> expired;
  for (const auto& [id, one] : who.under_way)
    if (one.granted && one.since_us < before_us) expired.push_back(id);
  for (const auto id : expired) end(who, id);
}

// Something has a deadline that is near.
bool serving::is_busy(const session& who) {
  return who.at != stage::ready || !who.under_way.empty() || !who.queue.empty() || who.to.has_to_give();
}

core::duration_us serving::until_check_us() const {
  const bool busy = std::any_of(sessions_.begin(), sessions_.end(), [](auto& each) { return is_busy(*each.second); });
  return busy || paused_ ? check_every_us : 1'000'000;
}

bool serving::is_late(const session& who, core::time_us now) const {
  if (who.at != stage::ready) return now - who.since_us > limits_.greeting_us;
  const auto silent_us = now - who.moved_us;
  if (who.to.has_to_give()) return silent_us > limits_.send_us;
  return who.under_way.empty() && silent_us > limits_.idle_us;
}

bool serving::check(core::time_us now) {
  if (now < next_check_us_) return false;
  next_check_us_ = now + check_every_us;
  std::vector<uint64_t> late;
  for (const auto& [number, who] : sessions_) {
    expire_grants(*who, now - limits_.grant_us);
    if (is_late(*who, now) || !flush(*who, now)) late.push_back(number);
  }
  for (const auto number : late) {
    if (strangers_.contains(number)) counts_.silent.add();
    cut_off(number);
  }
  if (std::exchange(paused_, false)) poller_.change(listener_->socket(), listener_number_, true, false);
  return !late.empty();
}

void serving::close_peer(std::string_view node) {
  std::vector<uint64_t> lost;
  for (const auto& [number, who] : sessions_)
    if (who->at == stage::ready && who->node == node) lost.push_back(number);
  for (const auto number : lost) cut_off(number);
}

void serving::close_all() {
  listener_.reset();
  while (!sessions_.empty()) cut_off(sessions_.begin()->first);
}

} // namespace fastptm::transport::sockets
