// Test doubles of actors: they record what they are told and answer what the test has prepared.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/actor_from_state.hpp"
#include "actors/local.hpp"
#include "protocol/errors.hpp"
#include "protocol/interfaces.hpp"

namespace fastptm::tests {

// Work that a double does inside its own actor: promises are delivered only there.
using errand = actors::local<std::function<void()>>;
using takes_errands = protocol::takes<errand>;

// Requires: `whom` is one of the doubles below.
template <class Handle> void inside(const Handle& whom, std::function<void()> work) {
  caf::anon_send(caf::actor_cast<caf::actor>(whom), actors::make_local(std::move(work)));
}

struct scheduler_record {
  std::vector<std::string> published; // full names
  std::vector<protocol::device_joined> joined;
  std::vector<protocol::device_lost> lost;
  std::vector<std::pair<std::string, bool>> cordoned;
  std::vector<protocol::schedule_request> requests;
  std::vector<uint64_t> cancelled;
  std::optional<protocol::infer_reply> reply; // none: requests stay unanswered until the test answers them
  std::vector<caf::typed_response_promise<protocol::infer_reply>> unanswered;
};

class recording_scheduler {
public:
  using interface = protocol::scheduler_actor::extend<takes_errands>;
  static constexpr const char* actor_name = "recording_scheduler";

  recording_scheduler(interface::pointer self, scheduler_record* record) : self_(self), record_(record) {}

  interface::behavior_type make_behavior() {
    using namespace protocol;
    return {
        [this](const schedule_request& request) -> caf::result<infer_reply> {
          record_->requests.push_back(request);
          if (record_->reply) return *record_->reply;
          record_->unanswered.push_back(self_->make_response_promise<infer_reply>());
          return record_->unanswered.back();
        },
        [this](cancel_atom, core::tenant_id, uint64_t ticket) { record_->cancelled.push_back(ticket); },
        [this](const model_added& added) { record_->published.push_back(added.row.name); },
        [](const model_removed&) { return true; },
        [this](const device_joined& joined) { record_->joined.push_back(joined); },
        [this](const device_lost& lost) { record_->lost.push_back(lost); },
        [](const batch_outputs&) {},
        [](const batch_part&) {},
        [this](cordon_atom, const std::string& device, bool on) { record_->cordoned.emplace_back(device, on); },
        [](evict_atom, const std::string&, const std::string&) -> caf::result<uint64_t> { return uint64_t{0}; },
        [](explain_atom, const std::string&) { return explanation(); },
        [](plans_atom) { return plan_list(); },
        [this](stop_atom) { self_->quit(); },
        [](const errand& work) { (*work.value)(); },
    };
  }

private:
  interface::pointer self_;
  scheduler_record* record_;
};

struct supervisor_record {
  std::vector<protocol::node_lost> lost;
  uint32_t messages = 0;
};

class recording_supervisor {
public:
  using interface = protocol::supervisor_actor;
  static constexpr const char* actor_name = "recording_supervisor";

  recording_supervisor(interface::pointer self, supervisor_record* record) : self_(self), record_(record) {}

  interface::behavior_type make_behavior() {
    return {
        [this](const protocol::nodes_lost& lost) {
          ++record_->messages;
          record_->lost.insert(record_->lost.end(), lost.nodes.begin(), lost.nodes.end());
        },
        [this](protocol::stop_atom) { self_->quit(); },
    };
  }

private:
  interface::pointer self_;
  supervisor_record* record_;
};

// A device whose orders end when and how the test says.
struct worker_record {
  std::vector<protocol::attach_order> attached;
  std::vector<protocol::node_lost> lost;
  std::vector<protocol::suspect> doubted;
  std::deque<std::pair<protocol::load_order, caf::typed_response_promise<protocol::load_reply>>> loads;
  std::deque<std::pair<protocol::run_order, caf::typed_response_promise<protocol::run_reply>>> runs;
  std::vector<protocol::batch_inputs> inputs;
  std::vector<protocol::evict_order> evicted;
  std::vector<core::load_id> cancelled;
  std::vector<std::string>* stopped = nullptr; // gets the name when told to stop
  std::string name;
};

class recording_worker {
public:
  using interface = protocol::gpu_worker_actor::extend<takes_errands>;
  static constexpr const char* actor_name = "recording_worker";

  recording_worker(interface::pointer self, worker_record* record) : self_(self), record_(record) {}

  interface::behavior_type make_behavior() {
    using namespace protocol;
    return {
        [this](const attach_order& order) { record_->attached.push_back(order); },
        [this](const load_order& order) -> caf::result<load_reply> {
          record_->loads.emplace_back(order, self_->make_response_promise<load_reply>());
          return record_->loads.back().second;
        },
        [this](cancel_atom, core::load_id load) { record_->cancelled.push_back(load); },
        [this](const evict_order& order) -> caf::result<uint64_t> {
          record_->evicted.push_back(order);
          return uint64_t{4096};
        },
        [this](const batch_inputs& part) { record_->inputs.push_back(part); },
        [this](const run_order& order) -> caf::result<run_reply> {
          record_->runs.emplace_back(order, self_->make_response_promise<run_reply>());
          return record_->runs.back().second;
        },
        [this](const node_lost& lost) { record_->lost.push_back(lost); },
        [this](const suspect& doubted) { record_->doubted.push_back(doubted); },
        [this](stop_atom) {
          if (record_->stopped != nullptr) record_->stopped->push_back(record_->name);
          self_->quit();
        },
        [](const errand& work) { (*work.value)(); },
    };
  }

private:
  interface::pointer self_;
  worker_record* record_;
};

} // namespace fastptm::tests
