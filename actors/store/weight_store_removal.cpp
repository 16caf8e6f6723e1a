// Taking models back: rows go first, bytes when the scheduler says that nobody uses them any more.
#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "actors/store/weight_store.hpp"
#include "core/log.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

// A publication may be under way, and others wait behind: as long as one of them may take.
constexpr auto rows_timeout = std::chrono::minutes(30);
// The longest run, the longest load and an eviction, one after the other.
constexpr auto unused_timeout = std::chrono::minutes(3);

std::string base_of(const std::string& full_name) {
  return full_name.substr(0, full_name.rfind('@'));
}

} // namespace

core::result<std::vector<core::model_id>> weight_store::owned_models(const protocol::unpublish_request& request) const {
  const auto slash = request.model.find('/');
  if (slash != std::string::npos && request.model.substr(0, slash) != request.tenant)
    return core::fail(
        core::errc::permission_denied,
        fmt::format("{} is not a model of tenant {}: only its owner takes it back", request.model, request.tenant));
  const auto wanted = slash == std::string::npos ? request.tenant + "/" + request.model : request.model;
  const bool has_version = wanted.find('@') != std::string::npos;
  if (has_version == request.all)
    return core::fail(core::errc::invalid,
                      request.all
                          ? fmt::format("{} names one version: leave it out, or --all", wanted)
                          : fmt::format("which version of {}? Say {}@VERSION, or --all for every one", wanted, wanted));
  std::vector<core::model_id> found;
  const auto is_wanted = [&](const std::string& name) { return (request.all ? base_of(name) : name) == wanted; };
  for (const auto& [id, model] : models_)
    if (is_wanted(model.row.name)) found.push_back(id);
  for (const auto& [id, entry] : unreadable_)
    if (is_wanted(entry.full_name())) found.push_back(id);
  if (found.empty())
    return core::fail(core::errc::not_found, fmt::format("no model {}: `fastptm models` lists what there is", wanted));
  if (std::ranges::any_of(found, [&](const auto id) { return leaving_.contains(id); }))
    return core::fail(core::errc::busy, fmt::format("{} is being taken back already: wait for that to end", wanted));
  return found;
}

caf::result<protocol::unpublish_reply> weight_store::on_unpublish(const protocol::unpublish_request& request) {
  const auto chosen = owned_models(request);
  if (!chosen) return protocol::to_caf(chosen.error());
  const auto of = std::make_shared<removal>();
  of->promise = self_->make_response_promise<protocol::unpublish_reply>();
  for (const auto id : *chosen) {
    leaving_.insert(id);
    const auto known = models_.find(id);
    of->models.push_back(known != models_.end() ? known->second : unreadable_row(id));
  }
  // Ahead of publications that wait.
  self_->request<caf::message_priority::high>(publisher_, rows_timeout, make_local(row_removal{*chosen}))
      .then([this, of](bool) { on_rows_removed(of); },
            [this, of](caf::error& failure) {
              for (const auto& model : of->models) leaving_.erase(model.row.id);
              of->promise.deliver(std::move(failure));
            });
  return of->promise;
}

void weight_store::on_rows_removed(const removal_pointer& of) {
  of->in_use = of->models.size();
  for (const auto& model : of->models) {
    models_.erase(model.row.id);
    unreadable_.erase(model.row.id);
    count_unreadable();
    leaving_.erase(model.row.id);
    const protocol::model_removed removed{model.row.id, model.row.name};
    for (const auto& tenant : options_.tenants)
      if (tenant.name == model.row.tenant) self_->send(tenant.handle, removed);
    self_->request(options_.scheduler, unused_timeout, removed)
        .then([this, of](bool) { on_unused(of); },
              [this, of](const caf::error& failure) {
                of->failure = protocol::from_caf(failure);
                on_unused(of);
              });
  }
}

void weight_store::on_unused(const removal_pointer& of) {
  if (--of->in_use > 0) return;
  if (of->failure.message.empty()) return free_bytes(of);
  of->promise.deliver(
      protocol::to_caf(of->failure.code, "it is taken back, but something still uses it: its bytes go with the next "
                                         "start of the head: " +
                                             of->failure.message));
}

void weight_store::free_bytes(const removal_pointer& of) {
  protocol::unpublish_reply reply;
  for (const auto& model : of->models) reply.models.push_back(model.row.name);
  // What those consist of goes with the next start of the head.
  std::erase_if(of->models, [](const auto& model) { return !model.is_readable; });
  if (of->models.empty()) return of->promise.deliver(std::move(reply)), void();
  std::vector<const weights::manifest*> gone;
  gone.reserve(of->models.size());
  for (const auto& model : of->models) gone.push_back(&sets_.at(model.row.manifest));
  // Other tenants' models may need some of these bytes still, which is nothing that this one may learn.
  const auto own_bytes = only_in(gone, of->models.front().row.tenant).bytes;
  auto left = let_go(of->models);
  // What cannot be read here may consist of the same objects.
  if (!is_complete_ || !unreadable_.empty()) {
    core::log::warn("weight_store", "bytes-not-freed",
                    "a published model cannot be read: {} stays on disk until a start at which all can be",
                    reply.models.front());
    return of->promise.deliver(std::move(reply)), void();
  }
  self_->request(publisher_, rows_timeout, make_local(std::move(left)))
      .then(
          [of, reply, own_bytes](uint64_t) mutable {
            reply.freed_bytes = own_bytes;
            of->promise.deliver(std::move(reply));
          },
          [of](caf::error& failure) { of->promise.deliver(std::move(failure)); });
}

// Forgets what only these models needed, in memory at once;
// the disk's part is the publisher's, who knows what has been published meanwhile.
weights::leftovers weight_store::let_go(const std::vector<model_entry>& models) {
  weights::leftovers left;
  left.newest_known = newest_;
  const auto is_last = [this](const core::digest& name) {
    const auto use = uses_.find(name);
    if (--use->second > 0) return false;
    uses_.erase(use);
    return true;
  };
  for (const auto& model : models) {
    if (is_last(model.row.card) && model.row.card != core::digest{}) left.objects.push_back(model.row.card);
    const auto set = sets_.find(model.row.manifest);
    for (const auto& shard : set->second.shards) {
      if (!is_last(shard.digest)) continue;
      left.objects.push_back(shard.digest);
      options_.cache->forget_unneeded(shard.digest);
    }
    if (!is_last(model.row.manifest)) continue;
    left.sets.push_back(model.row.manifest);
    sets_.erase(set);
  }
  return left;
}

} // namespace fastptm::actors
