// Sessions, their handshake, their queues.
#include "transport/ucx/serving.hpp"

#include <algorithm>
#include <limits>
#include <unistd.h>

#include "core/log.hpp"
#include "core/random.hpp"

namespace fastptm::transport::ucx {

namespace {

// Deadlines are coarse; looking for them costs a walk over the sessions.
constexpr core::duration_us check_every_us = 20'000;

} // namespace

serving::serving(worker& by, exporter& exports, const cluster_secret& secret, uint64_t incarnation,
                 serving_limits limits)
    : worker_(by), exports_(exports), secret_(secret), incarnation_(incarnation), limits_(limits) {}

serving::~serving() = default;

core::result<uint16_t> serving::listen(const std::string& host, uint16_t port) {
  if (auto set = worker_.set_handler(wire::hello_id, on_hello, this); !set) return core::fail(set.error());
  if (auto set = worker_.set_handler(wire::answer_id, on_answer, this); !set) return core::fail(set.error());
  if (auto set = worker_.set_handler(wire::fetch_id, on_fetch, this); !set) return core::fail(set.error());
  if (auto set = worker_.set_handler(wire::release_id, on_release, this); !set) return core::fail(set.error());
  return worker_.listen(host, port, on_connection, this);
}

// -- handshake --------------------------------------------------------------------------------------------------------

void serving::on_connection(ucp_conn_request_h request, void* self) {
  auto& here = *static_cast<serving*>(self);
  if (here.sessions_.size() + here.closing_.size() >= here.limits_.peers) return here.worker_.reject(request);
  auto made = std::make_unique<session>();
  made->number = core::true_random_u64();
  made->since_us = here.clock_.now_us();
  const auto number = made->number;
  if (!made->to.accept(here.worker_.handle(), request, [&here, number] { here.failed_.push_back(number); })) return;
  here.sessions_.emplace(number, std::move(made));
}

ucs_status_t serving::on_hello(void* self, const void* header, size_t header_bytes, void*, size_t,
                               const ucp_am_recv_param_t* param) {
  auto& here = *static_cast<serving*>(self);
  const auto message = wire::read<wire::hello>(header, header_bytes);
  if (!message || !(param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP)) return UCS_OK;
  // The handle is only compared: an endpoint is used through the session that made it.
  for (auto& [number, who] : here.sessions_)
    if (who->to.handle() == param->reply_ep && !who->greeted) {
      here.greet(*who, *message);
      break;
    }
  return UCS_OK;
}

void serving::greet(session& who, const wire::hello& message) {
  who.greeted = true;
  who.connection = message.connection;
  if (message.magic != wire::magic || message.version != wire::version || message.incarnation != incarnation_) {
    const auto why = static_cast<uint64_t>(core::errc::version_mismatch);
    (void)who.to.send(wire::verdict_id, wire::verdict{message.connection, why});
    return; // the asker closes; else the greeting's deadline does
  }
  who.asker = message.asker;
  who.source = make_nonce();
  wire::challenge reply{
      message.connection, who.number, who.source, {}, getpid(), reinterpret_cast<uint64_t>(&who.number)};
  reply.proven = secret_.prove("source", who.asker, who.source, who.number);
  if (!who.to.send(wire::challenge_id, reply)) failed_.push_back(who.number);
}

ucs_status_t serving::on_answer(void* self, const void* header, size_t header_bytes, void*, size_t,
                                const ucp_am_recv_param_t*) {
  auto& here = *static_cast<serving*>(self);
  const auto message = wire::read<wire::answer>(header, header_bytes);
  if (auto* who = message ? here.find(message->session) : nullptr) here.admit(*who, *message);
  return UCS_OK;
}

void serving::admit(session& who, const wire::answer& message) {
  who.proven = who.greeted && equal(message.proven, secret_.prove("asker", who.asker, who.source, who.number));
  if (!who.proven)
    core::log::warn("transport", "peer-refused", "a peer did not prove the cluster secret: its configuration differs");
  const auto error = who.proven ? 0 : static_cast<uint64_t>(core::errc::permission_denied);
  if (!who.to.send(wire::verdict_id, wire::verdict{who.connection, error})) failed_.push_back(who.number);
}

serving::session* serving::find(uint64_t number) {
  const auto found = sessions_.find(number);
  return found == sessions_.end() || found->second->to.failed() ? nullptr : found->second.get();
}

// -- fetches ----------------------------------------------------------------------------------------------------------

ucs_status_t serving::on_fetch(void* self, const void* header, size_t header_bytes, void*, size_t,
                               const ucp_am_recv_param_t*) {
  auto& here = *static_cast<serving*>(self);
  if (const auto message = wire::read<wire::fetch>(header, header_bytes)) here.accept(*message);
  return UCS_OK;
}

void serving::accept(const wire::fetch& message) {
  auto* who = find(message.session);
  if (!who || !who->proven) return;
  if (who->queue.size() >= limits_.queued_per_peer) return refuse(*who, message, core::errc::busy);
  who->queue.push_back(message);
  if (!std::exchange(who->ready, true)) ready_.push_back(who->number);
}

void serving::refuse(session& who, const wire::fetch& wanted, core::errc why) {
  if (!who.to.send(wire::data_id, wire::data{wanted.id, static_cast<uint64_t>(why)})) failed_.push_back(who.number);
}

bool serving::progress(core::time_us now) {
  bool worked = false;
  for (size_t turns = ready_.size(); turns > 0 && services_ < limits_.sends_in_all; --turns) {
    const auto number = ready_.front();
    ready_.pop_front();
    auto* who = find(number);
    if (!who) continue;
    who->ready = false;
    if (who->under_way.size() >= limits_.sends_per_peer) continue; // a completed send makes it ready again
    serve(*who);
    worked = true;
  }
  for (const auto number : std::exchange(failed_, {})) {
    cut_off(number);
    worked = true;
  }
  if (now >= next_check_us_) worked |= check_deadlines(now);
  return worked | (std::erase_if(closing_, [](auto& who) { return who->to.closed(); }) > 0);
}

void serving::serve(session& who) {
  while (!who.queue.empty() && who.under_way.size() < limits_.sends_per_peer && services_ < limits_.sends_in_all) {
    const auto wanted = who.queue.front();
    who.queue.pop_front();
    start(who, wanted);
  }
  if (!who.queue.empty() && !std::exchange(who.ready, true)) ready_.push_back(who.number);
}

void serving::start(session& who, const wire::fetch& wanted) {
  if (who.under_way.contains(wanted.id)) return refuse(who, wanted, core::errc::invalid);
  const auto bytes = exports_.pin(wanted.range);
  if (!bytes) return refuse(who, wanted, bytes.error().code);
  ++services_;
  who.under_way[wanted.id] = {wanted.range, clock_.now_us(), wanted.by_reading != 0};
  if (wanted.by_reading) {
    const auto address = reinterpret_cast<uint64_t>(bytes->address);
    if (!who.to.send(wire::data_id, wire::data{wanted.id, 0, address})) failed_.push_back(who.number);
    return;
  }
  // The session outlives its sends: it is freed when its endpoint has no operation left.
  auto sent = [this, &who, id = wanted.id](ucs_status_t) { end(who, id); };
  if (who.to.send(wire::data_id, wire::data{wanted.id, 0, 0}, *bytes, sent)) return;
  end(who, wanted.id);
  failed_.push_back(who.number);
}

void serving::end(session& who, uint64_t id) {
  const auto found = who.under_way.find(id);
  if (found == who.under_way.end()) return;
  const auto range = found->second.range;
  who.under_way.erase(found);
  --services_;
  if (!who.queue.empty() && !std::exchange(who.ready, true)) ready_.push_back(who.number);
  exports_.unpin(range);
}

ucs_status_t serving::on_release(void* self, const void* header, size_t header_bytes, void*, size_t,
                                 const ucp_am_recv_param_t*) {
  auto& here = *static_cast<serving*>(self);
  const auto message = wire::read<wire::release>(header, header_bytes);
  auto* who = message ? here.find(message->session) : nullptr;
  if (!who) return UCS_OK;
  // What UCX sends is released by UCX.
  const auto found = who->under_way.find(message->id);
  if (found != who->under_way.end() && found->second.granted) here.end(*who, message->id);
  return UCS_OK;
}

void serving::expire_grants(session& who, core::time_us before_us) {
  std::vector<uint64_t> expired;
  for (const auto& [id, one] : who.under_way)
    if (one.granted && one.since_us < before_us) expired.push_back(id);
  for (const auto id : expired) end(who, id);
}

// -- ends -------------------------------------------------------------------------------------------------------------

void serving::cut_off(uint64_t number) {
  const auto found = sessions_.find(number);
  if (found == sessions_.end()) return;
  auto who = std::move(found->second);
  sessions_.erase(found);
  who->queue.clear();
  expire_grants(*who, std::numeric_limits<core::time_us>::max());
  who->to.begin_close();
  closing_.push_back(std::move(who));
}

bool serving::check_deadlines(core::time_us now) {
  next_check_us_ = now + check_every_us;
  std::vector<uint64_t> late;
  for (const auto& [number, who] : sessions_) {
    expire_grants(*who, now - limits_.grant_us);
    const bool silent = !who->proven && now - who->since_us > limits_.greeting_us;
    const bool stuck = std::any_of(who->under_way.begin(), who->under_way.end(),
                                   [&](auto& one) { return now - one.second.since_us > limits_.send_us; });
    if (silent || stuck) late.push_back(number);
  }
  for (const auto number : late) cut_off(number);
  return !late.empty();
}

core::duration_us serving::until_deadline_us(core::time_us) const {
  const bool watching = services_ > 0 || !closing_.empty() ||
                        std::any_of(sessions_.begin(), sessions_.end(), [](auto& s) { return !s.second->proven; });
  return watching ? check_every_us : 1'000'000;
}

void serving::close_all() {
  worker_.stop_listening();
  std::vector<uint64_t> all;
  all.reserve(sessions_.size());
  for (const auto& [number, who] : sessions_) all.push_back(number);
  for (const auto number : all) cut_off(number);
}

} // namespace fastptm::transport::ucx
