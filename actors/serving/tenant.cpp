// Every way a request can end leads through answer().
#include "actors/serving/tenant.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/serving/refused.hpp"
#include "core/check.hpp"
#include "core/log.hpp"
#include "core/patience.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

uint32_t version_of(const std::string& full_name) {
  const auto at = full_name.rfind('@');
  return at == std::string::npos ? 0 : static_cast<uint32_t>(std::strtoul(full_name.c_str() + at + 1, nullptr, 10));
}

std::string base_of(const std::string& full_name) {
  return full_name.substr(0, full_name.rfind('@'));
}

// A client that means two requests by one key only deceives itself: no cryptography is needed to notice it.
uint64_t content_of(const protocol::infer_request& request) {
  const auto& bytes = request.input.bytes;
  const auto input = std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return input ^ std::hash<std::string>{}(request.model) ^ static_cast<uint64_t>(request.task);
}

} // namespace

tenant::tenant(interface::pointer self, tenant_options options)
    : self_(self), options_(std::move(options)), admission_(options_.limits.in_flight) {
  core::check(options_.clock != nullptr, "tenant needs a clock");
  admission_.set_limits(options_.id, options_.limits);
  if (options_.metrics == nullptr) return;
  total_us_ = &options_.metrics->make_histogram("fastptm_request_seconds", "From admission to the answer",
                                                fmt::format("tenant=\"{}\"", options_.name));
}

tenant::interface::behavior_type tenant::make_behavior() {
  return {
      [this](const protocol::infer_request& request) { return on_infer(request); },
      [this](protocol::answer_part& part) { on_part(std::move(part)); },
      [this](protocol::cancel_atom, uint64_t call) { on_cancel(call); },
      [this](protocol::find_atom, const std::string& name) { return on_find(name); },
      [this](protocol::list_atom) { return on_list(); },
      [this](const protocol::model_added& added) { on_model(added); },
      [this](const protocol::model_removed& removed) { on_model_removed(removed); },
      [this](const protocol::model_unreadable& unreadable) { on_model_unreadable(unreadable); },
      [](protocol::ping_atom, uint64_t number) { return number; },
      [this](protocol::stop_atom) { on_stop(); },
  };
}

// -- from the gateway -------------------------------------------------------------------------------------------------

caf::result<protocol::infer_reply> tenant::on_infer(const protocol::infer_request& request) {
  const auto found = find_model(request.model);
  if (!found) return refused(found.error());
  const auto& model = **found;
  if (request.task != model.task)
    return refused(protocol::status::invalid,
                   fmt::format("{} is asked by `fastptm {}`", model.name, to_string(model.task)));
  if (request.deadline_us < 0)
    return refused(protocol::status::deadline_exceeded,
                   "the deadline had passed before the request came: give it more time");
  if (const auto known = keys_.find(request.key); known != keys_.end()) return take_over(known->second, request);
  const auto now = options_.clock->now_us();
  const auto wanted_us = request.deadline_us == 0 ? options_.default_deadline_us : request.deadline_us;
  // A larger number would overflow; admission cuts to its own bound anyway.
  const auto verdict = admission_.ask(options_.id, now, now + std::min<int64_t>(wanted_us, 1ll << 40));
  if (!verdict.accepted) {
    return refused(
        protocol::status::quota_exceeded,
        fmt::format("{} has {} requests in flight, its limit", options_.name, admission_.in_flight(options_.id)),
        verdict.retry_after_us);
  }
  const auto ticket = ++last_ticket_;
  auto promise = self_->make_response_promise<protocol::infer_reply>();
  pending_.emplace(ticket, pending{promise, now, verdict.deadline_us, request.call, request.key, content_of(request),
                                   request.parts});
  calls_[request.call] = ticket;
  if (!request.key.empty()) keys_[request.key] = ticket;
  const auto remaining_us = verdict.deadline_us - now;
  self_
      ->request(options_.scheduler, std::chrono::microseconds(remaining_us + core::tenant_patience_us),
                protocol::schedule_request{ticket, options_.id, model.id, remaining_us, request.input,
                                           request.parts != nullptr})
      .then([this, ticket](protocol::infer_reply& reply) { on_reply(ticket, std::move(reply)); },
            [this, ticket](const caf::error& failure) { on_no_reply(ticket, protocol::from_caf(failure)); });
  return promise;
}

// The client has lost the connection of its earlier try, and comes again before the gateway has noticed. That try's
// answer reaches nobody; the request goes on.
caf::result<protocol::infer_reply> tenant::take_over(uint64_t ticket, const protocol::infer_request& request) {
  auto& known = pending_.at(ticket);
  if (known.content != content_of(request))
    return refused(protocol::status::invalid, "the key is that of another request: use a new one for each");
  auto promise = self_->make_response_promise<protocol::infer_reply>();
  known.promise.deliver(refused(protocol::status::unavailable, "the same request came again on another connection"));
  known.promise = promise;
  calls_.erase(known.call);
  known.call = request.call;
  calls_[known.call] = ticket;
  known.parts = request.parts;
  return promise;
}

// At once: a client that lost its connection comes again with a new request, at the end of the queue; one that does not
// come has nobody computing for it.
void tenant::on_cancel(uint64_t call) {
  const auto found = calls_.find(call);
  if (found == calls_.end()) return; // answered, or taken over by a later try
  const auto ticket = found->second;
  self_->send(options_.scheduler, protocol::cancel_atom_v, options_.id, ticket);
  forget(ticket).promise.deliver(refused(protocol::status::deadline_exceeded, "nobody waits for the answer any more"));
}

caf::result<protocol::model_row> tenant::on_find(const std::string& name) const {
  const auto found = find_model(name);
  if (!found) return protocol::to_caf(found.error());
  return **found;
}

protocol::model_list tenant::on_list() const {
  protocol::model_list listed;
  for (const auto& [name, row] : models_) listed.rows.push_back(row);
  return listed;
}

// -- from the weight store --------------------------------------------------------------------------------------------

void tenant::on_model(const protocol::model_added& added) {
  const auto& name = added.row.name;
  models_[name] = added.row;
  unreadable_.erase(name);
  note_newest(name);
}

void tenant::on_model_removed(const protocol::model_removed& removed) {
  const auto base = base_of(removed.name);
  models_.erase(removed.name);
  unreadable_.erase(removed.name);
  newest_.erase(base);
  for (const auto& [name, row] : models_)
    if (base_of(name) == base) note_newest(name);
  for (const auto& name : unreadable_)
    if (base_of(name) == base) note_newest(name);
}

// It stays the newest of its name: an earlier version in its place would be another model's answer.
void tenant::on_model_unreadable(const protocol::model_unreadable& unreadable) {
  unreadable_.insert(unreadable.name);
  note_newest(unreadable.name);
}

void tenant::note_newest(const std::string& name) {
  auto& newest = newest_[base_of(name)];
  if (newest.empty() || version_of(newest) < version_of(name)) newest = name;
}

// -- from the scheduler -----------------------------------------------------------------------------------------------

// Not answered yet, and not cancelled: whoever waits for the reply gets what comes ahead of it.
void tenant::on_part(protocol::answer_part part) {
  const auto waiting = pending_.find(part.of);
  if (waiting == pending_.end() || waiting->second.parts == nullptr) return;
  part.of = waiting->second.call;
  self_->send(waiting->second.parts, std::move(part));
}

void tenant::on_reply(uint64_t ticket, protocol::infer_reply reply) {
  answer(ticket, std::move(reply));
}

void tenant::on_no_reply(uint64_t ticket, const core::error& why) {
  if (why.code != core::errc::deadline_exceeded)
    return answer(ticket, refused(protocol::status::unavailable, why.message));
  self_->send(options_.scheduler, protocol::cancel_atom_v, options_.id, ticket);
  answer(ticket, refused(protocol::status::deadline_exceeded,
                         "no answer within the deadline and one second: ask again or give it more time"));
}

void tenant::on_stop() {
  while (!pending_.empty())
    answer(pending_.begin()->first,
           refused(protocol::status::unavailable, "the cluster is stopping: ask again when it has started"));
  self_->quit(caf::exit_reason::user_shutdown);
}

void tenant::answer(uint64_t ticket, protocol::infer_reply reply) {
  if (!pending_.contains(ticket)) return; // cancelled
  auto answered = forget(ticket);
  const auto now = options_.clock->now_us();
  reply.spent.total_us = now - answered.arrival_us;
  if (reply.end == protocol::status::ok && now > answered.deadline_us) reply.end = protocol::status::late;
  reply.spent.late = reply.end == protocol::status::late;
  if (total_us_ != nullptr) total_us_->observe_us(reply.spent.total_us);
  answered.promise.deliver(std::move(reply));
}

tenant::pending tenant::forget(uint64_t ticket) {
  auto gone = std::move(pending_.extract(ticket).mapped());
  calls_.erase(gone.call);
  if (!gone.key.empty()) keys_.erase(gone.key);
  admission_.answered(options_.id, options_.clock->now_us());
  return gone;
}

core::result<const protocol::model_row*> tenant::find_model(const std::string& name) const {
  const auto slash = name.find('/');
  if (slash != std::string::npos && name.substr(0, slash) != options_.name)
    return core::fail(core::errc::permission_denied, fmt::format("{} is not a model of tenant {}: ask as its owner",
                                                                 core::printable(name, 100), options_.name));
  const auto full = slash == std::string::npos ? fmt::format("{}/{}", options_.name, name) : name;
  const auto versioned = newest_.find(full);
  const auto& meant = versioned == newest_.end() ? full : versioned->second;
  const auto found = models_.find(meant);
  if (found != models_.end()) return &found->second;
  if (unreadable_.contains(meant))
    return core::fail(core::errc::corrupt, fmt::format("{} is damaged in the store: publish its folder again, or take "
                                                       "it back with `fastptm unpublish {}`",
                                                       meant, meant));
  return core::fail(core::errc::not_found,
                    fmt::format("no model {}: `fastptm models` lists what there is", core::printable(full, 100)));
}

} // namespace fastptm::actors
