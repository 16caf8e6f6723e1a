// Login, and what a tenant can do.
#include "rpc/gateway.hpp"

#include <fmt/format.h>
#include <kj/debug.h>

#include "core/log.hpp"
#include "core/names.hpp"
#include "rpc/convert.hpp"
#include "rpc/model_server.hpp"
#include "rpc/upload_server.hpp"
#include "schemas/by_name.hpp"

namespace fastptm::rpc {

namespace {

// Slows down guessing; a token has 256 bits, so this is for the log's sake more than for safety's.
constexpr auto wrong_token_delay = 100 * kj::MILLISECONDS;
constexpr uint32_t protocol = 1;

// Taking a model back waits for a publication that is under way, and for what runs on the model.
constexpr core::duration_us unpublish_timeout_us = 400'000'000;

// What a row of an answer costs this thread, on slow cores.
constexpr core::duration_us model_row_us = 1, load_row_us = 5;

// Names go on as they came: what is wrong in them, whoever looks them up finds.
std::string copied(capnp::Text::Reader from) {
  return {from.begin(), from.size()};
}

// Results that hold a capability live until the client has finished the call: they are made as small as they are.
constexpr capnp::MessageSize small_results{16, 1};

class tenant_server final : public schema::Tenant::Server {
public:
  tenant_server(gateway& shared, tenant_account& account, tenant_account::place handle)
      : shared_(shared), account_(account), name_(account.name()), handle_(std::move(handle)) {}

protected:
  kj::Promise<void> model(ModelContext context) override {
    context.allowCancellation();
    std::string wanted = copied(context.getParams().getFullName());
    context.releaseParams();
    return counted(
        call_kind::call,
        shared_.find_model(name_, wanted).then([this, context](core::result<protocol::model_row> row) mutable {
          auto results = context.getResults(small_results);
          if (!row) return set_outcome(results.initOutcome(), row.error());
          auto handle = account_.take_handle();
          if (!handle) return set_outcome(results.initOutcome(), handle.error());
          results.initOutcome();
          results.setModel(kj::heap<model_server>(shared_, account_, std::move(*row), std::move(*handle)));
        }));
  }

  kj::Promise<void> models(ModelsContext context) override {
    context.allowCancellation();
    return counted(
        call_kind::list,
        shared_.actors.tenant_models(name_).then([this, context](core::result<protocol::model_list> list) mutable {
          auto results = context.getResults();
          if (!list) return set_outcome(results.initOutcome(), list.error());
          const auto count = static_cast<unsigned>(list->rows.size());
          account_.charge(count * model_row_us);
          results.initOutcome();
          schema::write_rows<protocol::model_entry>(results.initModels(count), list->rows);
        }));
  }

  kj::Promise<void> publish(PublishContext context) override {
    const auto model = copied(context.getParams().getModelName());
    auto results = context.getResults(small_results);
    const bool special_is_text = context.getParams().getSpecialTokens() == schema::SpecialTokens::TEXT;
    auto handle = account_.take_handle();
    if (const auto good = core::check_name("model", model); !good) {
      set_outcome(results.initOutcome(), good.error());
    } else if (!handle) {
      set_outcome(results.initOutcome(), handle.error());
    } else if (auto folder = shared_.spool.open(name_); !folder) {
      set_outcome(results.initOutcome(), folder.error());
    } else {
      results.initOutcome();
      results.setUpload(
          kj::heap<upload_server>(shared_, account_, model, special_is_text, std::move(*folder), std::move(*handle)));
    }
    return kj::READY_NOW;
  }

  kj::Promise<void> loads(LoadsContext context) override {
    context.allowCancellation();
    return counted(call_kind::list, shared_.actors.loads(context.getParams().getLast(), name_)
                                        .then([this, context](core::result<protocol::load_list> list) mutable {
                                          auto results = context.getResults();
                                          if (!list) return set_outcome(results.initOutcome(), list.error());
                                          const auto count = static_cast<unsigned>(list->rows.size());
                                          account_.charge(count * load_row_us);
                                          results.initOutcome();
                                          set_load_reports(results.initLoads(count), list->rows);
                                        }));
  }

  kj::Promise<void> ping(PingContext context) override {
    context.allowCancellation();
    return counted(call_kind::call, shared_.actors.ping(name_, context.getParams().getValue())
                                        .then([context](core::result<uint64_t> value) mutable {
                                          if (!value)
                                            kj::throwFatalException(KJ_EXCEPTION(OVERLOADED, "no answer to a ping"));
                                          context.getResults().setValue(*value);
                                        }));
  }

  // It goes on when its client has gone, and may take minutes: a place of its own.
  kj::Promise<void> unpublish(UnpublishContext context) override {
    const auto parameters = context.getParams();
    auto place = account_.begin_removal();
    if (!place) {
      set_outcome(context.getResults().initOutcome(), place.error());
      return kj::READY_NOW;
    }
    return shared_.actors
        .unpublish({name_, copied(parameters.getFullName()), parameters.getAll()}, unpublish_timeout_us)
        .then([this, context](core::result<protocol::unpublish_reply> reply) mutable {
          auto results = context.getResults();
          shared_.forget_models(name_);
          if (!reply) return set_outcome(results.initOutcome(), reply.error());
          results.initOutcome();
          auto models = results.initModels(static_cast<unsigned>(reply->models.size()));
          for (unsigned i = 0; i < models.size(); ++i) models.set(i, reply->models[i]);
          results.setFreedBytes(reply->freed_bytes);
        })
        .attach(std::move(*place));
  }

private:
  kj::Promise<void> counted(call_kind kind, kj::Promise<void> call) {
    return shared_.bounded(kj::mv(call)).attach(account_.begin(kind));
  }

  gateway& shared_;
  tenant_account& account_;
  const std::string name_;
  const tenant_account::place handle_;
};

class gateway_server final : public schema::Gateway::Server {
public:
  gateway_server(gateway& shared, visitor& connection) : shared_(shared), connection_(connection) {}

protected:
  kj::Promise<void> login(LoginContext context) override {
    shared_.logins.add();
    if (const auto* known = shared_.tokens.find(context.getParams().getToken())) {
      welcome(context, *known);
      return kj::READY_NOW;
    }
    shared_.refused_logins.add();
    context.allowCancellation();
    return shared_.timer.afterDelay(wrong_token_delay).then([context]() mutable {
      set_outcome(context.getResults().initOutcome(), schema::Status::PERMISSION_DENIED,
                  "the token is not known here: use the tenant's token of this cluster");
    });
  }

  kj::Promise<void> version(VersionContext context) override {
    auto results = context.getResults();
    results.setText("fastptm");
    results.setProtocol(protocol);
    return kj::READY_NOW;
  }

private:
  void welcome(LoginContext& context, const token_book::entry& known) {
    const auto& tenant = known.token.tenant;
    auto results = context.getResults(small_results);
    auto& account = shared_.gate.of(tenant);
    auto handle = account.take_handle();
    if (!handle) return set_outcome(results.initOutcome(), handle.error());
    if (const auto in = connection_.log_in(tenant, known.number); !in)
      return set_outcome(results.initOutcome(), in.error());
    connection_.count_for(account);
    results.initOutcome();
    results.setTenant(kj::heap<tenant_server>(shared_, account, std::move(*handle)));
    results.setDefaultDeadlineUs(static_cast<uint64_t>(shared_.options.default_deadline_us));
    results.setMaxMessageBytes(shared_.options.max_message_bytes);
  }

  gateway& shared_;
  visitor& connection_;
};

} // namespace

gateway::gateway(bridge& to, kj::Timer& with, gateway_options given, core::metrics_registry& metrics)
    : actors(to), timer(with), options(std::move(given)), tokens(with, options.tokens),
      gate(with, options.bounds, metrics), spool(options.spool),
      tokenizers(to, options.tokenizer_cache, options.max_queued_text_bytes),
      logins(metrics.make_counter("fastptm_rpc_logins_total", "Attempts to log in")),
      refused_logins(metrics.make_counter("fastptm_rpc_refused_logins_total", "Attempts with an unknown token")),
      requests(metrics.make_counter("fastptm_rpc_requests_total", "Inputs that arrived at the gateway")),
      cut_texts(metrics.make_counter("fastptm_rpc_cut_texts_total", "Texts with more tokens than their model reads")),
      uploaded_bytes(metrics.make_counter("fastptm_rpc_uploaded_bytes_total", "Bytes of uploads")) {}

capnp::Capability::Client gateway::bootstrap(visitor& connection) {
  return kj::heap<gateway_server>(*this, connection);
}

kj::Promise<core::result<void>> gateway::read_tokens_again() {
  return disk.run(options.read_tokens).then([this](core::result<std::vector<tenant_token>> good) {
    if (!good) return core::result<void>(core::fail(good.error()));
    core::log::info("rpc", "tokens", "{} are good now", good->size());
    tokens.replace(std::move(*good));
    return core::result<void>();
  });
}

kj::Promise<core::result<protocol::model_row>> gateway::find_model(const std::string& tenant, const std::string& name) {
  if (const auto known = models_.find(name); known != models_.end() && known->second.tenant == tenant)
    // Not as a ready value: g++ 12 warns falsely about it.
    return kj::Promise<void>(kj::READY_NOW).then([row = known->second] {
      return core::result<protocol::model_row>(row);
    });
  return actors.find_model(tenant, name).then([this](core::result<protocol::model_row> row) {
    if (row) models_.insert_or_assign(row->name, *row);
    return row;
  });
}

void gateway::forget_models(const std::string& tenant) {
  const auto prefix = tenant + "/";
  const auto first = models_.lower_bound(prefix);
  auto last = first;
  while (last != models_.end() && last->first.starts_with(prefix)) ++last;
  models_.erase(first, last);
}

} // namespace fastptm::rpc
