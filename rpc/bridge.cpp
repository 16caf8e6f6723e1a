// One local actor that asks on behalf of the KJ thread.
#include "rpc/bridge.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "core/check.hpp"
#include "protocol/errors.hpp"

namespace fastptm::rpc {

namespace {

// Local only: it carries code.
using batch = std::shared_ptr<std::vector<errand>>;

} // namespace

} // namespace fastptm::rpc

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(fastptm::rpc::batch)

namespace fastptm::rpc {

namespace {

constexpr core::duration_us administration_timeout_us = 5'000'000;
// In one turn of the asker: the other actors wait no longer than for these.
constexpr ptrdiff_t most_errands = 64;

caf::behavior asker(caf::event_based_actor* self, std::function<void(protocol::answer_part)> take_part) {
  return {[self](const batch& all) {
            for (auto& each : *all) each(self);
          },
          [take_part = std::move(take_part)](protocol::answer_part& part) { take_part(std::move(part)); }};
}

} // namespace

bridge::bridge(caf::actor_system& system, kj::UnixEventPort& port, bridge_targets targets)
    : targets_(std::move(targets)), answers_(std::make_shared<inbox>()), reader_(port, answers_) {
  asker_ = system.spawn(asker, [this, back = answers_](protocol::answer_part part) {
    back->push([this, part = std::move(part)] {
      if (const auto at = receivers_.find(part.of); at != receivers_.end()) at->second(part);
    });
  });
}

bridge::~bridge() {
  *is_open_ = false;
  caf::anon_send_exit(asker_, caf::exit_reason::user_shutdown);
}

void bridge::post(errand work) {
  if (batch_.empty()) sending_ = kj::evalLast([this] { send_batch(); }).eagerlyEvaluate(nullptr);
  batch_.emplace_back(std::move(work));
}

void bridge::send_batch() {
  auto all = std::exchange(batch_, {});
  for (auto first = all.begin(); first != all.end();) {
    const auto last = first + std::min<ptrdiff_t>(most_errands, all.end() - first);
    caf::anon_send(
        asker_, std::make_shared<std::vector<errand>>(std::make_move_iterator(first), std::make_move_iterator(last)));
    first = last;
  }
}

void bridge::deliver(uint64_t ticket, void* value) {
  const auto at = waiting_.find(ticket);
  core::check(at != waiting_.end(), "every ticket is answered once");
  const auto hand_over = std::move(at->second);
  waiting_.erase(at);
  hand_over(value);
}

template <class T, class Handle, class... Message>
answer_of<T> bridge::ask(const Handle& to, core::duration_us timeout_us, Message&&... message) {
  using outcome = kj::Own<core::result<T>>; // on the heap: g++ 12 warns falsely about results inside of KJ's maybe
  auto promise = kj::newPromiseAndFulfiller<outcome>();
  const auto ticket = ++last_ticket_;
  // The fulfiller stays on this thread; what crosses is its ticket.
  waiting_.emplace(ticket, [fulfiller = std::make_shared<kj::Own<kj::PromiseFulfiller<outcome>>>(
                                kj::mv(promise.fulfiller))](void* value) {
    (*fulfiller)->fulfill(kj::heap<core::result<T>>(std::move(*static_cast<core::result<T>*>(value))));
  });
  auto what = [this, ticket, to, timeout_us, back = answers_,
               parts = std::make_tuple(std::forward<Message>(message)...)](caf::event_based_actor* self) mutable {
    // The work runs on the KJ thread, and only as long as the bridge lives.
    const auto answer = [this, ticket, back](core::result<T> value) {
      back->push([this, ticket, value = std::move(value)]() mutable { deliver(ticket, &value); });
    };
    std::apply(
        [&](auto&... each) {
          self->request(to, std::chrono::microseconds(timeout_us), std::move(each)...)
              .then([answer](T& value) { answer(std::move(value)); },
                    [answer](const caf::error& cause) {
                      answer(core::result<T>(core::fail(protocol::from_caf(cause))));
                    });
        },
        parts);
  };
  post(std::move(what));
  return promise.promise.then([](outcome value) { return std::move(*value); });
}

answer_of<protocol::infer_reply> bridge::infer(const std::string& tenant, protocol::infer_request request,
                                               core::duration_us timeout_us, part_taken take_part) {
  const auto call = request.call = ++last_call_;
  if (take_part) {
    request.parts = caf::actor_cast<protocol::part_receiver_actor>(asker_);
    receivers_.emplace(call, std::move(take_part));
  }
  auto is_answered = std::make_shared<bool>(false);
  return ask<protocol::infer_reply>(targets_.tenants.at(tenant), timeout_us, std::move(request))
      .then([is_answered](core::result<protocol::infer_reply> reply) {
        *is_answered = true;
        return reply;
      })
      .attach(kj::defer([this, tenant, call, is_answered, is_open = is_open_] {
        if (!*is_open) return;
        receivers_.erase(call);
        if (!*is_answered) withdraw(tenant, call);
      }));
}

// The tenant still answers, to nobody: that ends the ticket.
void bridge::withdraw(const std::string& tenant, uint64_t call) {
  post([to = targets_.tenants.at(tenant), call](caf::event_based_actor* self) {
    self->send(to, protocol::cancel_atom::value, call);
  });
}

answer_of<protocol::model_row> bridge::find_model(const std::string& tenant, const std::string& name) {
  return ask<protocol::model_row>(targets_.tenants.at(tenant), administration_timeout_us, protocol::find_atom::value,
                                  name);
}

answer_of<protocol::model_list> bridge::tenant_models(const std::string& tenant) {
  return ask<protocol::model_list>(targets_.tenants.at(tenant), administration_timeout_us, protocol::list_atom::value);
}

answer_of<uint64_t> bridge::ping(const std::string& tenant, uint64_t value) {
  return ask<uint64_t>(targets_.tenants.at(tenant), administration_timeout_us, protocol::ping_atom::value, value);
}

answer_of<protocol::publication> bridge::publish(protocol::publish_request request, core::duration_us timeout_us) {
  return ask<protocol::publication>(targets_.weight_store, timeout_us, std::move(request));
}

answer_of<protocol::unpublish_reply> bridge::unpublish(protocol::unpublish_request request,
                                                       core::duration_us timeout_us) {
  return ask<protocol::unpublish_reply>(targets_.weight_store, timeout_us, std::move(request));
}

answer_of<std::string> bridge::card_path(core::model_id model) {
  return ask<std::string>(targets_.weight_store, administration_timeout_us, protocol::card_atom::value, model);
}

answer_of<protocol::model_list> bridge::all_models() {
  return ask<protocol::model_list>(targets_.weight_store, administration_timeout_us, protocol::list_atom::value);
}

answer_of<protocol::node_list> bridge::nodes() {
  return ask<protocol::node_list>(targets_.ledger, administration_timeout_us, protocol::nodes_atom::value);
}

answer_of<protocol::load_list> bridge::loads(uint32_t last, const std::string& tenant) {
  return ask<protocol::load_list>(targets_.ledger, administration_timeout_us, protocol::loads_atom::value, last,
                                  tenant);
}

answer_of<protocol::running_list> bridge::running_loads() {
  return ask<protocol::running_list>(targets_.ledger, administration_timeout_us, protocol::running_atom::value);
}

answer_of<protocol::explanation> bridge::explain(const std::string& model) {
  return ask<protocol::explanation>(targets_.scheduler, administration_timeout_us, protocol::explain_atom::value,
                                    model);
}

answer_of<protocol::plan_list> bridge::plans() {
  return ask<protocol::plan_list>(targets_.scheduler, administration_timeout_us, protocol::plans_atom::value);
}

answer_of<bool> bridge::cordon(const std::string& device, bool on) {
  return ask<bool>(targets_.directory, administration_timeout_us, protocol::cordon_atom::value, device, on);
}

answer_of<uint64_t> bridge::evict(const std::string& device, const std::string& model) {
  return ask<uint64_t>(targets_.scheduler, administration_timeout_us, protocol::evict_atom::value, device, model);
}

answer_of<uint64_t> bridge::drop_cache() {
  return ask<uint64_t>(targets_.weight_store, administration_timeout_us, protocol::drop_atom::value);
}

} // namespace fastptm::rpc
