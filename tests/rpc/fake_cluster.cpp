// Typed actors of a few lines.
#include "tests/rpc/fake_cluster.hpp"

#include <cstdlib>

#include <gtest/gtest.h>

#include "protocol/errors.hpp"

namespace fastptm::rpc {

namespace {

using namespace protocol;

tenant_actor::behavior_type fake_tenant(tenant_actor::pointer self, script* told, bool is_acme) {
  return {
      [=](const infer_request& request) -> caf::result<infer_reply> {
        told->keys.push_back(request.key);
        told->deadlines.push_back(request.deadline_us);
        told->last_model = request.model;
        ++told->inferences;
        if (request.model == told->gone) return infer_reply{status::not_found, "taken back", 0, {}, {}};
        if (told->refusals > 0) {
          --told->refusals;
          return infer_reply{status::quota_exceeded, "its limit", 5000, {}, {}};
        }
        if (told->silent) return self->make_response_promise<infer_reply>();
        infer_reply reply;
        reply.end = status::ok;
        // Echoes the ids, so that a test sees what arrived.
        const auto input = decode_input(request.input);
        // A piece for each id: what a task that generates would send.
        for (uint32_t i = 0; request.parts != nullptr && input && i < input->ids.size(); ++i)
          self->send(request.parts, answer_part{request.call, i, {input->ids[i]}, {}});
        std::vector<float> values;
        if (input) values.assign(input->ids.begin(), input->ids.end());
        if (input) told->last_input = *input;
        reply.output = encode_output(values);
        reply.spent.node = "worker-0/host0";
        return reply;
      },
      [](const answer_part&) {},
      [=](cancel_atom, uint64_t) { ++told->cancelled; },
      [=](find_atom, const std::string& name) -> caf::result<model_row> {
        const auto full = name.find('/') == std::string::npos ? "acme/" + name : name;
        if (!full.starts_with("acme/")) return to_caf(core::errc::permission_denied, full + " is not a model of acme");
        for (const auto& row : told->models.rows)
          if (row.name == full || row.name.substr(0, row.name.rfind('@')) == full) return row;
        return to_caf(core::errc::not_found, "no model " + full);
      },
      [=](list_atom) { return is_acme ? told->models : model_list(); },
      [](const model_added&) {},
      [](const model_removed&) {},
      [](const model_unreadable&) {},
      [=](ping_atom, uint64_t value) -> caf::result<uint64_t> {
        if (is_acme) ++told->pings;
        if (is_acme && told->holds_pings) return self->make_response_promise<uint64_t>();
        return value;
      },
      [=](stop_atom) { self->quit(); },
  };
}

weight_store_actor::behavior_type fake_store(weight_store_actor::pointer self, script* told) {
  return {
      [=](const publish_request& request) -> caf::result<publication> {
        told->last_folder = request.folder;
        told->last_folder_bytes = 0;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(request.folder)) {
          if (entry.is_regular_file()) told->last_folder_bytes += entry.file_size();
        }
        told->last_special_is_text = request.special_is_text;
        ++told->publications;
        if (request.name == "bad") return to_caf(core::errc::invalid, "model.safetensors: word has a NaN at 7");
        publication reply;
        reply.model = request.tenant + "/" + request.name + "@1";
        return reply;
      },
      [=](const unpublish_request& request) -> caf::result<unpublish_reply> {
        if (request.model == "acme/used@1") return to_caf(core::errc::busy, "it is being taken back already");
        std::erase_if(told->models.rows, [&](const auto& row) { return row.name == request.model; });
        return unpublish_reply{{request.model}, 4096};
      },
      [=](list_atom) { return told->models; },
      [=](card_atom, core::model_id) -> caf::result<std::string> {
        if (told->card_file.empty()) return to_caf(core::errc::not_found, "no card");
        return told->card_file;
      },
      [](const stage_request&) { return stage_reply(); },
      [](release_atom, const core::digest&) {},
      [](const suspect&) {},
      [](drop_atom) { return uint64_t{8192}; },
      [=](stop_atom) { self->quit(); },
  };
}

// Explains one model, "acme/m@1".
scheduler_actor::behavior_type fake_scheduler(scheduler_actor::pointer self, script* told) {
  return {
      [](const schedule_request&) { return infer_reply(); },
      [](cancel_atom, core::tenant_id, uint64_t) {},
      [](const model_added&) {},
      [](const model_removed&) { return true; },
      [](const device_joined&) {},
      [](const device_lost&) {},
      [](const batch_outputs&) {},
      [](const batch_part&) {},
      [](cordon_atom, const std::string&, bool) {},
      [](evict_atom, const std::string&, const std::string&) { return uint64_t{4096}; },
      [](explain_atom, const std::string& model) -> caf::result<explanation> {
        if (model != "acme/m@1") return to_caf(core::errc::not_found, "no model '" + model + "'");
        explanation out;
        out.model = model;
        out.queued = 3;
        out.has_head = true;
        out.head_remaining_us = -5;
        out.devices.resize(1);
        out.devices[0].device = "worker-0/host0";
        out.devices[0].has_value = true;
        out.devices[0].value_micro_rps = 1'500'000;
        out.devices[0].against = "lane_busy";
        return out;
      },
      [=](plans_atom) { return told->plans; },
      [=](stop_atom) { self->quit(); },
  };
}

ledger_actor::behavior_type fake_ledger(ledger_actor::pointer self, script* told) {
  return {
      [](const running_load&) {},
      [](const load_report&) {},
      [](const node_list&) {},
      [](nodes_atom) {
        node_status node;
        node.name = "worker-0";
        node.devices.resize(1);
        node.devices[0].name = "worker-0/host0";
        return node_list{{node}};
      },
      [=](loads_atom, uint32_t, const std::string&) {
        ++told->load_lists;
        return told->loads;
      },
      [](running_atom) { return running_list(); },
      [=](stop_atom) { self->quit(); },
  };
}

directory_actor::behavior_type fake_directory(directory_actor::pointer self) {
  return {
      [](hello_atom, uint32_t, const std::string&, const std::string&) { return std::string(); },
      [](const join_request&) { return join_reply(); },
      [](renew_atom, registration_id) { return true; },
      [](leave_atom, registration_id) {},
      [](registration_id, const device_row&) {},
      [](const holdings_added&) {},
      [](const holdings_dropped&) {},
      [](registration_id, const locate_request&) { return holder_list(); },
      [](registration_id, const running_load&) {},
      [](registration_id, const load_report&) {},
      [](registration_id, const std::string&, const suspect&) {},
      [](cordon_atom, const std::string&, bool) { return true; },
      [=](stop_atom) { self->quit(); },
  };
}

model_row row(uint64_t id, const std::string& name) {
  model_row out;
  out.id = {id};
  out.name = name;
  out.tenant = "acme";
  out.vocabulary = 100;
  out.max_tokens = 8;
  out.token_types = 2;
  return out;
}

} // namespace

front_end_options fake_cluster::default_options() {
  front_end_options out;
  out.address = "127.0.0.1";
  // Times that only a lost test needs: a machine may be busy. Who tests a time sets it.
  out.limits = {.strangers = {.each = 4, .all = 6},
                .known = {.all = 8, .each = 6, .tenants = 2},
                .login_timeout_us = 20'000'000,
                .message_bytes = 4 << 20,
                .flow_bytes = 8 << 20};
  out.admin_limits = out.limits;
  out.http_limits = {.each = 4, .all = 4};
  out.gateway.tokens = {{"acme", acme_token, {}}, {"globex", globex_token, {}}};
  out.gateway.call_timeout_us = 60'000'000;
  out.gateway.default_deadline_us = 10'000'000;
  out.gateway.max_deadline_us = 30'000'000;
  out.gateway.max_text_bytes = 100;
  out.gateway.max_message_bytes = out.limits.message_bytes;
  out.gateway.tokenizer_cache = 2;
  out.gateway.max_queued_text_bytes = 1 << 20;
  out.gateway.bounds = {.requests = {{"acme", 4096}, {"globex", 4096}},
                        .calls = 128,
                        .handles = 1024,
                        .unfinished = 8192,
                        .unread_bytes = 256 << 10};
  out.gateway.spool = {
      .folder = {}, .upload_bytes = 8 << 20, .uploads = 2, .tenant_bytes = 12 << 20, .idle_us = 60'000'000};
  out.admin.token = admin_token;
  out.admin.tenants = {"acme"};
  out.admin.call_timeout_us = 60'000'000;
  return out;
}

fake_cluster::fake_cluster(front_end_options options) {
  auto pattern = (std::filesystem::temp_directory_path() / "fastptm-rpc-XXXXXX").string();
  EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
  spool_ = pattern;
  options.gateway.spool.folder = spool_;
  script_.tokens = options.gateway.tokens;
  options.gateway.read_tokens = [this] { return core::result<std::vector<tenant_token>>(script_.tokens); };
  script_.models.rows = {row(1, "acme/m@1"), row(2, "acme/m@2")};
  system_ = std::make_unique<caf::actor_system>(settings_);
  bridge_targets targets;
  for (const auto* name : {"acme", "globex"}) {
    const auto tenant = system_->spawn(fake_tenant, &script_, name == std::string("acme"));
    targets.tenants.emplace(name, tenant);
    spawned_.push_back(caf::actor_cast<caf::actor>(tenant));
  }
  targets.weight_store = system_->spawn(fake_store, &script_);
  targets.scheduler = system_->spawn(fake_scheduler, &script_);
  targets.directory = system_->spawn(fake_directory);
  targets.ledger = system_->spawn(fake_ledger, &script_);
  for (const auto& each :
       {caf::actor_cast<caf::actor>(targets.weight_store), caf::actor_cast<caf::actor>(targets.scheduler),
        caf::actor_cast<caf::actor>(targets.directory), caf::actor_cast<caf::actor>(targets.ledger)})
    spawned_.push_back(each);
  auto started = front_end::start(*system_, std::move(targets), std::move(options), metrics_);
  EXPECT_TRUE(started) << started.error().message;
  if (started) face_ = std::move(*started);
}

fake_cluster::~fake_cluster() {
  face_.reset();
  for (const auto& each : spawned_) caf::anon_send_exit(each, caf::exit_reason::kill);
  spawned_.clear();
  system_.reset();
  std::error_code trouble;
  std::filesystem::remove_all(spool_, trouble);
}

core::result<std::unique_ptr<clients::tenant_client>> fake_cluster::connect(const std::string& token,
                                                                            shared_loop loop) const {
  return clients::tenant_client::connect({.address = addresses().gateway, .token = token, .loop = std::move(loop)});
}

core::result<std::unique_ptr<clients::admin_client>> fake_cluster::connect_admin(const std::string& token,
                                                                                 shared_loop loop) const {
  return clients::admin_client::connect({.address = addresses().admin, .token = token, .loop = std::move(loop)});
}

} // namespace fastptm::rpc
