// The only crossing between KJ and the actors: a KJ promise for the answer to an actor's request.
//
// Used from the KJ thread. Requests leave in batches, one a turn of its loop; answers come back through an inbox. No
// CAF type but the handles and messages of actors/ leaves this file.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <kj/async.h>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "protocol/interfaces.hpp"
#include "rpc/inbox.hpp"

namespace fastptm::rpc {

// What the head serves. Handles are dropped with the bridge, before the actor system ends.
struct bridge_targets {
  std::map<std::string, protocol::tenant_actor> tenants;
  protocol::scheduler_actor scheduler;
  protocol::directory_actor directory;
  protocol::ledger_actor ledger;
  protocol::weight_store_actor weight_store;
};

// Promises never fail by what the cluster answers: errors are values. A promise that is dropped gives up the answer;
// only an inference is cancelled then.
template <class T> using answer_of = kj::Promise<core::result<T>>;

// A request to be made by the asking actor.
using errand = std::function<void(caf::event_based_actor*)>;

class bridge {
public:
  bridge(caf::actor_system& system, kj::UnixEventPort& port, bridge_targets targets);
  ~bridge();
  bridge(const bridge&) = delete;
  bridge& operator=(const bridge&) = delete;

  // Requires: `tenant` is one of the targets. The tenant answers by the deadline; `timeout_us` is the backstop.
  // `take_part`, if it is one, gets pieces of the answer on the KJ thread, ahead of the promise.
  using part_taken = std::function<void(const protocol::answer_part&)>;
  answer_of<protocol::infer_reply> infer(const std::string& tenant, protocol::infer_request request,
                                         core::duration_us timeout_us, part_taken take_part = {});
  answer_of<protocol::model_row> find_model(const std::string& tenant, const std::string& name);
  answer_of<protocol::model_list> tenant_models(const std::string& tenant);
  answer_of<uint64_t> ping(const std::string& tenant, uint64_t value);

  answer_of<protocol::publication> publish(protocol::publish_request request, core::duration_us timeout_us);
  answer_of<protocol::unpublish_reply> unpublish(protocol::unpublish_request request, core::duration_us timeout_us);
  answer_of<std::string> card_path(core::model_id model);
  answer_of<protocol::model_list> all_models();

  answer_of<protocol::node_list> nodes();
  // Of one tenant's models; of all when `tenant` is empty.
  answer_of<protocol::load_list> loads(uint32_t last, const std::string& tenant);

  answer_of<protocol::running_list> running_loads();

  answer_of<protocol::explanation> explain(const std::string& model);
  answer_of<protocol::plan_list> plans();

  answer_of<bool> cordon(const std::string& device, bool on);
  answer_of<uint64_t> evict(const std::string& device, const std::string& model);
  answer_of<uint64_t> drop_cache();

private:
  template <class T, class Handle, class... Message>
  answer_of<T> ask(const Handle& to, core::duration_us timeout_us, Message&&... message);

  // With the others of this turn, in order.
  void post(errand work);
  void send_batch();
  void withdraw(const std::string& tenant, uint64_t call);
  // `value` is the core::result that the ticket's caller waits for.
  void deliver(uint64_t ticket, void* value);

  bridge_targets targets_;
  std::vector<errand> batch_; // of this turn of the loop
  kj::Promise<void> sending_ = kj::READY_NOW;
  std::unordered_map<uint64_t, std::function<void(void*)>> waiting_; // by ticket; each answered or timed out
  uint64_t last_ticket_ = 0, last_call_ = 0;
  std::shared_ptr<bool> is_open_ = std::make_shared<bool>(true); // calls may be dropped after the bridge: with the loop
  std::unordered_map<uint64_t, part_taken> receivers_;           // by call, while it is not answered
  std::shared_ptr<inbox> answers_;
  caf::actor asker_;
  inbox_reader reader_; // last: what it runs uses everything above
};

} // namespace fastptm::rpc
