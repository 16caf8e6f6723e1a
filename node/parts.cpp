// Copies what the configuration says to where it is used; the only place that knows both.
#include "node/parts.hpp"

#include <fmt/format.h>

#include "core/log.hpp"
#include "core/network_address.hpp"
#include "gpu/backends.hpp"
#include "node/node_record.hpp"
#include "node/tenant_tokens.hpp"

namespace fastptm::node {

core::result<std::vector<owned_device>> make_devices(const node_config& self) {
  std::vector<owned_device> out;
  for (const auto& each : self.devices) {
    const auto name = self.name + "/" + each.name;
    auto device =
        gpu::make_device(each.kind, {.name = each.name, .arena_bytes = each.arena_bytes, .threads = each.threads});
    if (!device) return core::fail("device " + name, device.error());
    core::log::info("node", "device-ready", "{}: {} {}, {} MiB arena, {} threads", name, each.kind,
                    (*device)->info().isa, each.arena_bytes >> 20, each.threads);
    auto runner = std::make_unique<engine::runner>(**device);
    out.push_back({name, std::move(*device), std::move(runner)});
  }
  return out;
}

core::result<node_config> with_own_address(node_config self) {
  auto found = core::resolve_to_listen(self.address);
  if (!found) return core::fail(fmt::format("node '{}'", self.name), found.error());
  self.address = std::move(*found);
  return self;
}

policy::allowed_sources allowed_of(const cluster_config& config, const node_config& self) {
  std::vector<policy::source_kind> kinds;
  for (const auto& name : self.sources.empty() ? config.transfers.sources : self.sources) {
    if (const auto kind = policy::source_kind_from(name)) kinds.push_back(*kind);
  }
  return policy::allowed_sources(kinds);
}

actors::head_parts head_parts_of(const cluster_config& config, const node_config& self, storage& kept) {
  actors::head_parts out;
  out.listen = {self.address, self.control_port};
  for (const auto& node : config.nodes) out.directory.nodes.push_back({node.name, node.roles()});
  for (const auto& tenant : config.tenants) {
    out.tenants.push_back(
        {tenant.name,
         tenant.share,
         tenant.max_models,
         {.in_flight = tenant.max_in_flight, .longest_deadline_us = config.scheduling.max_deadline_us},
         tenant.late == "refuse" ? policy::scheduling::late_rule::refuse : policy::scheduling::late_rule::serve});
  }
  out.default_deadline_us = config.scheduling.default_deadline_us;
  out.directory.heartbeat_us = config.liveness.heartbeat_us;
  out.directory.lease_us = config.liveness.lease_us;
  out.scheduler.core = scheduling_options(config.scheduling);
  out.scheduler.queued = config.scheduling.max_queued;
  out.scheduler.load_timeout_us = config.transfers.load_timeout_us;
  out.store.store = &kept.objects();
  out.store.catalogue = &kept.models();
  out.store.cache = &kept.cache();
  out.store.slab = kept.slab();
  out.store.largest_arena_bytes = config.largest_arena_bytes();
  return out;
}

actors::endpoint_finder head_finder(const cluster_config& config, const state_folder& folder) {
  const auto& head = config.head();
  return [name = head.name, address = head.address, port = head.control_port,
          run = folder.run()]() -> core::result<actors::endpoint> {
    if (port != 0) return actors::endpoint{address, port, name};
    auto record = find_head(run);
    if (!record) return core::fail(record.error());
    auto parsed = core::parse_network_address(record->control);
    if (!parsed) return core::fail(parsed.error());
    return actors::endpoint{parsed->host, parsed->port, name};
  };
}

namespace {

void set_limits(rpc::front_end_options& to, const cluster_config& config) {
  const auto& gateway = config.gateway;
  to.limits.strangers = {gateway.max_strangers_per_address, gateway.max_strangers};
  to.limits.known = {gateway.max_connections, gateway.max_connections_per_tenant,
                     static_cast<uint32_t>(config.tenants.size())};
  to.limits.login_timeout_us = gateway.login_timeout_us;
  to.limits.message_bytes = gateway.max_message_bytes;
  to.limits.flow_bytes = gateway.flow_limit_bytes;
  to.admin_limits = to.limits;
  to.admin_limits.known = {gateway.max_admin_connections, gateway.max_admin_connections, 1};
  to.http_limits = {gateway.max_http_connections, gateway.max_http_connections};
}

core::result<void> set_tls(rpc::front_end_options& to, const gateway_config& gateway, const state_folder& folder) {
  if (gateway.tls_certificate.empty()) return {};
  auto certificates = read_file(folder.path() / gateway.tls_certificate);
  if (!certificates) return core::fail("tlsCertificate", certificates.error());
  auto key = read_secret(folder.path() / gateway.tls_key, "tlsKey");
  if (!key) return core::fail(key.error());
  to.tls = rpc::tls_identity{std::move(*certificates), std::move(*key)};
  return {};
}

} // namespace

core::result<rpc::front_end_options> front_end_options_of(const cluster_config& config, const state_folder& folder) {
  const auto& gateway = config.gateway;
  rpc::front_end_options out;
  auto address = core::resolve_to_listen(gateway.address), http_address = core::resolve_to_listen(gateway.http_address);
  if (!address) return core::fail("gateway", address.error());
  if (!http_address) return core::fail("gateway.httpAddress", http_address.error());
  if (auto loopback = core::resolve_to_listen("127.0.0.1"); !loopback)
    return core::fail("administration", loopback.error());
  out.address = *address;
  out.http_address = *http_address;
  out.port = gateway.port;
  out.admin_port = gateway.admin_port;
  out.http_port = gateway.http_port;
  if (auto given = set_tls(out, gateway, folder); !given) return core::fail("gateway", given.error());
  set_limits(out, config);
  for (const auto& tenant : config.tenants) out.admin.tenants.push_back(tenant.name);
  out.gateway.read_tokens = [files = tenant_tokens(folder), tenants = out.admin.tenants] {
    return files.good_ones(tenants);
  };
  auto tokens = out.gateway.read_tokens();
  if (!tokens) return core::fail(tokens.error());
  out.gateway.tokens = std::move(*tokens);
  for (const auto& tenant : config.tenants) out.gateway.bounds.requests.emplace(tenant.name, tenant.max_in_flight);
  out.gateway.call_timeout_us = longest_call_us(config);
  out.gateway.default_deadline_us = config.scheduling.default_deadline_us;
  out.gateway.max_deadline_us = config.scheduling.max_deadline_us;
  out.gateway.max_text_bytes = gateway.max_text_bytes;
  out.gateway.max_message_bytes = gateway.max_message_bytes;
  out.gateway.tokenizer_cache = gateway.tokenizer_cache;
  const auto& quotas = config.quotas;
  out.gateway.spool = {folder.spool(), gateway.max_upload_bytes, gateway.max_uploads, quotas.max_spool_bytes,
                       quotas.upload_idle_us};
  out.gateway.max_queued_text_bytes = quotas.max_queued_text_bytes;
  out.gateway.bounds.calls = quotas.max_calls;
  out.gateway.bounds.handles = quotas.max_handles;
  out.gateway.bounds.unfinished = quotas.max_unfinished;
  out.gateway.bounds.unread_bytes = quotas.max_unread_bytes;
  auto admin_token = folder.admin_token();
  if (!admin_token) return core::fail(admin_token.error());
  out.admin.token = *admin_token;
  out.admin.call_timeout_us = gateway.call_timeout_us;
  return out;
}

} // namespace fastptm::node
