// Login with the admin token, status, and the few orders.
#include "rpc/admin.hpp"

#include <string_view>
#include <unordered_map>

#include "rpc/convert.hpp"
#include "rpc/same_secret.hpp"
#include "schemas/admin.capnp.h"

namespace fastptm::rpc {

namespace {

constexpr auto wrong_token_delay = 100 * kj::MILLISECONDS;

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
                      fill(context, nodes, models, *plans);
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
                         auto rows = results.initLoads(static_cast<unsigned>(list->rows.size()));
                         for (unsigned i = 0; i < rows.size(); ++i) set_load_report(rows[i], list->rows[i]);
                       }));
  }

  kj::Promise<void> runningLoads(RunningLoadsContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.running_loads().then([context](core::result<protocol::running_list> list) mutable {
      auto results = context.getResults();
      if (!list) return set_outcome(results.initOutcome(), list.error());
      results.initOutcome();
      auto rows = results.initLoads(static_cast<unsigned>(list->rows.size()));
      for (unsigned i = 0; i < rows.size(); ++i) set_running_load(rows[i], list->rows[i]);
    }));
  }

  kj::Promise<void> explain(ExplainContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.explain(context.getParams().getFullName().cStr())
                       .then([context](core::result<protocol::explanation> told) mutable {
                         auto results = context.getResults();
                         if (!told) return set_outcome(results.initOutcome(), told.error());
                         results.initOutcome();
                         set_explanation(results.initExplanation(), *told);
                       }));
  }

  kj::Promise<void> cordon(CordonContext context) override {
    context.allowCancellation();
    const auto params = context.getParams();
    return bounded(shared_.actors.cordon(params.getDevice().cStr(), params.getOn())
                       .then([context](core::result<bool> done) mutable { finish(context, done); }));
  }

  kj::Promise<void> evict(EvictContext context) override {
    context.allowCancellation();
    const auto params = context.getParams();
    return bounded(shared_.actors.evict(params.getDevice().cStr(), params.getFullName().cStr())
                       .then([context](core::result<uint64_t> done) mutable { finish_freeing(context, done); }));
  }

  kj::Promise<void> dropCache(DropCacheContext context) override {
    context.allowCancellation();
    return bounded(shared_.actors.drop_cache().then(
        [context](core::result<uint64_t> done) mutable { finish_freeing(context, done); }));
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

  void fill(StatusContext& context, const protocol::node_list& known, const protocol::model_list& models,
            const protocol::plan_list& plans) {
    auto results = context.getResults();
    results.initOutcome();
    auto out = results.initStatus();
    auto nodes = out.initNodes(static_cast<unsigned>(known.rows.size()));
    for (unsigned i = 0; i < nodes.size(); ++i) {
      set_node(nodes[i], known.rows[i]);
      for (auto device : nodes[i].getDevices())
        for (const auto& plan : plans.devices)
          if (device.getName() == plan.device.c_str()) set_plan(device, plan);
    }
    auto model_rows = out.initModels(static_cast<unsigned>(models.rows.size()));
    std::unordered_map<std::string_view, const protocol::model_queue*> queues;
    for (const auto& queue : plans.queues) queues.emplace(queue.model, &queue);
    for (unsigned i = 0; i < model_rows.size(); ++i) {
      set_model(model_rows[i], models.rows[i]);
      if (const auto queue = queues.find(models.rows[i].name); queue != queues.end())
        set_queue(model_rows[i], *queue->second);
    }
    auto tenants = out.initTenants(static_cast<unsigned>(shared_.options.tenants.size()));
    for (unsigned i = 0; i < tenants.size(); ++i) tenants.set(i, shared_.options.tenants[i].c_str());
  }

  admin& shared_;
};

class admin_gateway_server final : public schema::AdminGateway::Server {
public:
  admin_gateway_server(admin& shared, guarded_stream& connection) : shared_(shared), connection_(connection) {}

protected:
  kj::Promise<void> login(LoginContext context) override {
    if (same_secret(context.getParams().getToken(), shared_.options.token)) {
      connection_.trust();
      auto results = context.getResults();
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
  guarded_stream& connection_;
};

} // namespace

capnp::Capability::Client admin::bootstrap(guarded_stream& connection) {
  return kj::heap<admin_gateway_server>(*this, connection);
}

} // namespace fastptm::rpc
