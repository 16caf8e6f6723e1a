// Login with the admin token, status, and the few orders.
#include "rpc/admin.hpp"

#include <string_view>
#include <tuple>
#include <unordered_map>

#include "rpc/convert.hpp"
#include "rpc/same_secret.hpp"
#include "schemas/admin.capnp.h"
#include "schemas/by_name.hpp"

namespace fastptm::rpc {

namespace {

constexpr auto wrong_token_delay = 100 * kj::MILLISECONDS;
constexpr uint64_t the_only_token = 1;

// What the directory, the store and the scheduler know, together.
protocol::cluster_status status_of(const protocol::node_list& nodes, const protocol::model_list& models,
                                   const protocol::plan_list& plans, const std::vector<std::string>& tenants) {
  protocol::cluster_status out{nodes.rows, {}, tenants};
  for (auto& node : out.nodes)
    for (auto& device : node.devices)
      for (const auto& plan : plans.devices)
        if (device.name == plan.device) std::tie(device.loads, device.lanes) = std::tie(plan.loads, plan.lanes);
  std::unordered_map<std::string_view, const protocol::model_queue*> queues;
  for (const auto& queue : plans.queues) queues.emplace(queue.model, &queue);
  for (const auto& row : models.rows) {
    auto& model = out.models.emplace_back(protocol::model_status{row});
    const auto queue = queues.find(model.name);
    if (queue != queues.end())
      std::tie(model.queued, model.late) = std::tie(queue->second->queued, queue->second->late);
  }
  return out;
}

// Names go on as they came.
std::string copied(capnp::Text::Reader from) {
  return {from.begin(), from.size()};
}

class admin_server final : public schema::Admin::Server {
public:
  explicit admin_server(admin& shared) : shared_(shared) {}

protected:
  kj::Promise<void> status(StatusContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.nodes().then(
        [this, context](core::result<protocol::node_list> nodes) mutable -> kj::Promise<void> {
          if (!nodes) {
            set_outcome(context.getResults().initOutcome(), nodes.error());
            return kj::READY_NOW;
          }
          return shared_.actors.all_models().then(
              [this, context,
               nodes = std::move(*nodes)](core::result<protocol::model_list> models) mutable -> kj::Promise<void> {
                if (!models) {
                  set_outcome(context.getResults().initOutcome(), models.error());
                  return kj::READY_NOW;
                }
                return shared_.actors.plans().then(
                    [this, context, nodes = std::move(nodes),
                     models = std::move(*models)](core::result<protocol::plan_list> plans) mutable {
                      if (!plans) return set_outcome(context.getResults().initOutcome(), plans.error());
                      context.getResults().initOutcome();
                      schema::write(context.getResults().initStatus(),
                                    status_of(nodes, models, *plans, shared_.options.tenants));
                    });
              });
        }));
  }

  kj::Promise<void> loads(LoadsContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.loads(context.getParams().getLast(), "")
                       .then([context](core::result<protocol::load_list> list) mutable {
                         auto results = context.getResults();
                         if (!list) return set_outcome(results.initOutcome(), list.error());
                         results.initOutcome();
                         set_load_reports(results.initLoads(static_cast<unsigned>(list->rows.size())), list->rows);
                       }));
  }

  kj::Promise<void> runningLoads(RunningLoadsContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.running_loads().then([context](core::result<protocol::running_list> list) mutable {
      auto results = context.getResults();
      if (!list) return set_outcome(results.initOutcome(), list.error());
      results.initOutcome();
      const auto count = static_cast<unsigned>(list->rows.size());
      schema::write_rows<protocol::running_load>(results.initLoads(count), list->rows);
    }));
  }

  kj::Promise<void> explain(ExplainContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.explain(copied(context.getParams().getFullName()))
                       .then([context](core::result<protocol::explanation> told) mutable {
                         auto results = context.getResults();
                         if (!told) return set_outcome(results.initOutcome(), told.error());
                         results.initOutcome();
                         schema::write(results.initExplanation(), *told);
                       }));
  }

  kj::Promise<void> cordon(CordonContext context) override {
    context.allowCancellation();
    const auto params = context.getParams();
    return bounded(shared_.actors.cordon(copied(params.getDevice()), params.getOn())
                       .then([context](const core::result<bool>& done) mutable { finish(context, done); }));
  }

  kj::Promise<void> evict(EvictContext context) override {
    context.allowCancellation();
    const auto params = context.getParams();
    return bounded(shared_.actors.evict(copied(params.getDevice()), copied(params.getFullName()))
                       .then([context](const core::result<uint64_t>& done) mutable { finish_freeing(context, done); }));
  }

  kj::Promise<void> dropCache(DropCacheContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.drop_cache().then(
        [context](const core::result<uint64_t>& done) mutable { finish_freeing(context, done); }));
  }

  kj::Promise<void> readTokensAgain(ReadTokensAgainContext context) override {
    return bounded(
        shared_.read_tokens_again().then([context](const core::result<void>& done) mutable { finish(context, done); }));
  }

private:
  template <class Context, class T> static void finish(Context& context, const core::result<T>& done) {
    auto outcome = context.getResults().initOutcome();
    if (!done) set_outcome(outcome, done.error());
  }

  template <class Context> static void finish_freeing(Context& context, const core::result<uint64_t>& freed_bytes) {
    finish(context, freed_bytes);
    if (freed_bytes) context.getResults().setFreedBytes(*freed_bytes);
  }

  kj::Promise<void> bounded(kj::Promise<void> call) {
    return shared_.timer.timeoutAfter(shared_.options.call_timeout_us * kj::MICROSECONDS, kj::mv(call));
  }

  admin& shared_;
};

class admin_gateway_server final : public schema::AdminGateway::Server {
public:
  admin_gateway_server(admin& shared, visitor& connection) : shared_(shared), connection_(connection) {}

protected:
  kj::Promise<void> login(LoginContext context) override {
    if (same_secret(context.getParams().getToken(), shared_.options.token)) {
      auto results = context.getResults();
      const auto in = connection_.log_in("the operator", the_only_token);
      if (!in) {
        set_outcome(results.initOutcome(), in.error());
        return kj::READY_NOW;
      }
      results.initOutcome();
      results.setAdmin(kj::heap<admin_server>(shared_));
      return kj::READY_NOW;
    }
    context.allowCancellation();
    return shared_.timer.afterDelay(wrong_token_delay).then([context]() mutable {
      set_outcome(context.getResults().initOutcome(), schema::Status::PERMISSION_DENIED,
                  "this is not the admin token of this cluster");
    });
  }

private:
  admin& shared_;
  visitor& connection_;
};

} // namespace

capnp::Capability::Client admin::bootstrap(visitor& connection) {
  return kj::heap<admin_gateway_server>(*this, connection);
}

} // namespace fastptm::rpc
