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

class tenant_server final : public schema::Tenant::Server {
public:
  tenant_server(gateway& shared, std::string name) : shared_(shared), name_(std::move(name)) {}

protected:
  kj::Promise<void> model(ModelContext context) override {
    context.allowCancellation();
    std::string wanted = context.getParams().getFullName().cStr();
    context.releaseParams();
    return shared_.bounded(
        shared_.find_model(name_, wanted).then([this, context](core::result<protocol::model_row> row) mutable {
          auto results = context.getResults();
          if (!row) return set_outcome(results.initOutcome(), row.error());
          results.initOutcome();
          results.setModel(kj::heap<model_server>(shared_, name_, std::move(*row)));
        }));
  }

  kj::Promise<void> models(ModelsContext context) override {
    context.allowCancellation();
    return shared_.bounded(
        shared_.actors.tenant_models(name_).then([context](core::result<protocol::model_list> list) mutable {
          auto results = context.getResults();
          if (!list) return set_outcome(results.initOutcome(), list.error());
          results.initOutcome();
          schema::write_rows<protocol::model_entry>(results.initModels(static_cast<unsigned>(list->rows.size())),
                                                    list->rows);
        }));
  }

  kj::Promise<void> publish(PublishContext context) override {
    const std::string model = context.getParams().getModelName().cStr();
    auto results = context.getResults();
    if (const auto good = core::check_name("model", model); !good) {
      set_outcome(results.initOutcome(), good.error());
      return kj::READY_NOW;
    }
    auto folder = open_upload(shared_.options.spool, shared_.open_uploads);
    if (!folder) {
      set_outcome(results.initOutcome(), folder.error());
      return kj::READY_NOW;
    }
    results.initOutcome();
    const bool special_is_text = context.getParams().getSpecialTokens() == schema::SpecialTokens::TEXT;
    results.setUpload(kj::heap<upload_server>(shared_, name_, model, special_is_text, std::move(*folder)));
    return kj::READY_NOW;
  }

  kj::Promise<void> loads(LoadsContext context) override {
    context.allowCancellation();
    return shared_.bounded(shared_.actors.loads(context.getParams().getLast(), name_)
                               .then([context](core::result<protocol::load_list> list) mutable {
                                 auto results = context.getResults();
                                 if (!list) return set_outcome(results.initOutcome(), list.error());
                                 results.initOutcome();
                                 set_load_reports(results.initLoads(static_cast<unsigned>(list->rows.size())),
                                                  list->rows);
                               }));
  }

  kj::Promise<void> ping(PingContext context) override {
    context.allowCancellation();
    return shared_.bounded(shared_.actors.ping(name_, context.getParams().getValue())
                               .then([context](core::result<uint64_t> value) mutable {
                                 if (!value) kj::throwFatalException(KJ_EXCEPTION(OVERLOADED, "no answer to a ping"));
                                 context.getResults().setValue(*value);
                               }));
  }

  kj::Promise<void> unpublish(UnpublishContext context) override {
    const auto parameters = context.getParams();
    const std::string_view model(parameters.getFullName().begin(), parameters.getFullName().size());
    return shared_.actors.unpublish({name_, std::string(model), parameters.getAll()}, unpublish_timeout_us)
        .then([this, context](core::result<protocol::unpublish_reply> reply) mutable {
          auto results = context.getResults();
          shared_.forget_models(name_);
          if (!reply) return set_outcome(results.initOutcome(), reply.error());
          results.initOutcome();
          auto models = results.initModels(static_cast<unsigned>(reply->models.size()));
          for (unsigned i = 0; i < models.size(); ++i) models.set(i, reply->models[i]);
          results.setFreedBytes(reply->freed_bytes);
        });
  }

private:
  gateway& shared_;
  const std::string name_;
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
    auto results = context.getResults();
    if (const auto in = connection_.log_in(tenant, known.number); !in)
      return set_outcome(results.initOutcome(), in.error());
    results.initOutcome();
    results.setTenant(kj::heap<tenant_server>(shared_, tenant));
    results.setDefaultDeadlineUs(static_cast<uint64_t>(shared_.options.default_deadline_us));
    results.setMaxMessageBytes(shared_.options.max_message_bytes);
  }

  gateway& shared_;
  visitor& connection_;
};

} // namespace

gateway::gateway(bridge& to, kj::Timer& with, gateway_options given, core::metrics_registry& metrics)
    : actors(to), timer(with), options(std::move(given)), tokens(with, options.tokens),
      tokenizers(to, options.tokenizer_cache),
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
    return core::result<protocol::model_row>(known->second);
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
