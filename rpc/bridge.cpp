// One local actor that asks on behalf of the KJ thread.
#include "rpc/bridge.hpp"

#include <functional>
#include <utility>

#include "actors/errors.hpp"
#include "core/check.hpp"

namespace fastptm::rpc {

namespace {

// A request to be made by the asking actor. Local only: it carries code.
using errand = std::shared_ptr<std::function<void(caf::event_based_actor*)>>;

} // namespace

} // namespace fastptm::rpc

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(fastptm::rpc::errand)

namespace fastptm::rpc {

namespace {

constexpr core::duration_us administration_timeout_us = 5'000'000;

caf::behavior asker(caf::event_based_actor* self) {
  return {[self](const errand& what) { (*what)(self); }};
}

} // namespace

bridge::bridge(caf::actor_system& system, bridge_targets targets)
    : targets_(std::move(targets)), asker_(system.spawn(asker)) {}

bridge::~bridge() {
  caf::anon_send_exit(asker_, caf::exit_reason::user_shutdown);
}

template <class T, class Handle, class... Message>
answer_of<T> bridge::ask(const Handle& to, core::duration_us timeout_us, Message&&... message) {
  using outcome = kj::Own<core::result<T>>; // on the heap: g++ 12 warns falsely about results inside of KJ's maybe
  auto crossing = kj::newPromiseAndCrossThreadFulfiller<outcome>();
  auto fulfiller = std::make_shared<kj::Own<kj::CrossThreadPromiseFulfiller<outcome>>>(kj::mv(crossing.fulfiller));
  auto what = [to, timeout_us, fulfiller,
               parts = std::make_tuple(std::forward<Message>(message)...)](caf::event_based_actor* self) mutable {
    const auto answer = [fulfiller](core::result<T> value) {
      (*fulfiller)->fulfill(kj::heap<core::result<T>>(std::move(value)));
    };
    std::apply(
        [&](auto&... each) {
          auto pending = self->request(to, std::chrono::microseconds(timeout_us), std::move(each)...);
          const auto on_error = [answer](const caf::error& cause) {
            answer(core::result<T>(core::fail(actors::from_caf(cause))));
          };
          pending.then([answer](T& value) { answer(std::move(value)); }, on_error);
        },
        parts);
  };
  caf::anon_send(asker_, std::make_shared<std::function<void(caf::event_based_actor*)>>(std::move(what)));
  return crossing.promise.then([](outcome value) { return std::move(*value); });
}

answer_of<actors::infer_reply> bridge::infer(const std::string& tenant, actors::infer_request request,
                                             core::duration_us timeout_us) {
  return ask<actors::infer_reply>(targets_.tenants.at(tenant), timeout_us, std::move(request));
}

answer_of<actors::model_list> bridge::tenant_models(const std::string& tenant) {
  return ask<actors::model_list>(targets_.tenants.at(tenant), administration_timeout_us, actors::list_atom::value);
}

answer_of<uint64_t> bridge::ping(const std::string& tenant, uint64_t value) {
  return ask<uint64_t>(targets_.tenants.at(tenant), administration_timeout_us, actors::ping_atom::value, value);
}

answer_of<actors::publish_reply> bridge::publish(actors::publish_request request, core::duration_us timeout_us) {
  return ask<actors::publish_reply>(targets_.weight_store, timeout_us, std::move(request));
}

answer_of<std::string> bridge::card_path(core::model_id model) {
  return ask<std::string>(targets_.weight_store, administration_timeout_us, actors::card_atom::value, model);
}

answer_of<actors::model_list> bridge::all_models() {
  return ask<actors::model_list>(targets_.weight_store, administration_timeout_us, actors::list_atom::value);
}

answer_of<actors::node_list> bridge::nodes() {
  return ask<actors::node_list>(targets_.directory, administration_timeout_us, actors::nodes_atom::value);
}

answer_of<actors::switch_list> bridge::switches(uint32_t last, const std::string& tenant) {
  return ask<actors::switch_list>(targets_.directory, administration_timeout_us, actors::switches_atom::value, last,
                                  tenant);
}

answer_of<actors::running_list> bridge::running_loads() {
  return ask<actors::running_list>(targets_.directory, administration_timeout_us, actors::running_atom::value);
}

answer_of<bool> bridge::cordon(const std::string& device, bool on) {
  return ask<bool>(targets_.directory, administration_timeout_us, actors::cordon_atom::value, device, on);
}

answer_of<uint64_t> bridge::evict(const std::string& device, const std::string& model) {
  return ask<uint64_t>(targets_.scheduler, administration_timeout_us, actors::evict_atom::value, device, model);
}

answer_of<uint64_t> bridge::drop_cache() {
  return ask<uint64_t>(targets_.weight_store, administration_timeout_us, actors::drop_atom::value);
}

} // namespace fastptm::rpc
