// A cluster's configuration as a checked plain struct; the text is a Cap'n Proto constant (schemas/config.capnp).
//
// The fields are those of the schema by name, in microseconds and bytes (node/config/settings); their texts, defaults
// and bounds stand there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/fields.hpp"
#include "policy/scheduling/options.hpp"

namespace fastptm::node {

struct device_config {
  std::string name;
  std::string kind; // host or cuda
  uint64_t arena_bytes = 0;
  unsigned threads = 0;
};
FASTPTM_FIELDS(device_config, name, kind, arena_bytes, threads)

struct node_config {
  std::string name;
  bool head = false;
  bool store = false;
  bool worker = false;
  std::string address; // IPv4, IPv6 without brackets, or a name
  uint16_t control_port = 0;
  uint16_t data_port = 0;
  std::vector<device_config> devices;
  uint64_t host_cache_bytes = 0;
  std::vector<std::string> sources; // as transfers_config::sources, which it takes the place of unless empty

  std::vector<std::string> roles() const;
};
FASTPTM_FIELDS(node_config, name, address, control_port, data_port, devices, host_cache_bytes, sources)

struct tenant_config {
  std::string name;
  uint32_t share = 0;
  uint32_t max_in_flight = 0;
  uint32_t max_models = 0;
  std::string late; // serve or refuse
};
FASTPTM_FIELDS(tenant_config, name, share, max_in_flight, max_models, late)

struct gateway_config {
  std::string address;
  uint16_t port = 0;
  uint16_t admin_port = 0;
  std::string http_address;
  uint16_t http_port = 0;
  uint32_t max_connections = 0;
  uint32_t max_connections_per_tenant = 0;
  uint32_t max_strangers = 0;
  uint32_t max_strangers_per_address = 0;
  uint32_t max_http_connections = 0;
  uint32_t max_admin_connections = 0;
  std::string tls_certificate; // empty: no TLS
  std::string tls_key;
  bool insecure = false;
  core::duration_us login_timeout_us = 0;
  uint64_t max_message_bytes = 0;
  uint64_t flow_limit_bytes = 0;
  core::duration_us call_timeout_us = 0;
  uint64_t max_upload_bytes = 0;
  uint32_t max_uploads = 0;
  uint64_t max_text_bytes = 0;
  uint32_t tokenizer_cache = 0;
};
FASTPTM_FIELDS(gateway_config, address, port, admin_port, http_address, http_port, max_connections,
               max_connections_per_tenant, max_strangers, max_strangers_per_address, max_http_connections,
               max_admin_connections, tls_certificate, tls_key, insecure, login_timeout_us, max_message_bytes,
               flow_limit_bytes, call_timeout_us, max_upload_bytes, max_uploads, max_text_bytes, tokenizer_cache)

struct quotas_config {
  uint32_t max_calls = 0;
  uint32_t max_handles = 0;
  uint32_t max_unfinished = 0;
  uint64_t max_unread_bytes = 0;
  uint64_t max_queued_text_bytes = 0;
  uint64_t max_spool_bytes = 0;
  core::duration_us upload_idle_us = 0;
};
FASTPTM_FIELDS(quotas_config, max_calls, max_handles, max_unfinished, max_unread_bytes, max_queued_text_bytes,
               max_spool_bytes, upload_idle_us)

struct scheduling_config {
  std::string strategy;
  core::duration_us default_deadline_us = 0;
  core::duration_us max_deadline_us = 0;
  uint32_t max_batch = 0;
  core::duration_us max_batch_us = 0;
  uint32_t max_queued = 0;
  uint32_t hold_percent = 0;
  core::duration_us hold_guard_us = 0;
  core::duration_us slack_scale_us = 0;
  core::duration_us late_patience_us = 0;
  core::duration_us fair_window_us = 0;
};
FASTPTM_FIELDS(scheduling_config, strategy, default_deadline_us, max_deadline_us, max_batch, max_batch_us, max_queued,
               hold_percent, hold_guard_us, slack_scale_us, late_patience_us, fair_window_us)

// As the core takes them.
policy::scheduling::options scheduling_options(const scheduling_config& from);

struct liveness_config {
  core::duration_us heartbeat_us = 0;
  core::duration_us lease_us = 0;
  core::duration_us connect_timeout_us = 0;
  core::duration_us shutdown_us = 0;
};
FASTPTM_FIELDS(liveness_config, heartbeat_us, lease_us, connect_timeout_us, shutdown_us)

struct transfers_config {
  std::vector<std::string> sources; // peer_device, peer_host, host_cache, disk
  std::string ucx_transports;
  unsigned copy_threads = 0;
  unsigned verify_threads = 0;
  core::duration_us load_timeout_us = 0;
  uint32_t scrub_mib_per_second = 0;
};
FASTPTM_FIELDS(transfers_config, sources, ucx_transports, copy_threads, verify_threads, load_timeout_us,
               scrub_mib_per_second)

struct cluster_config {
  std::vector<node_config> nodes;
  std::vector<tenant_config> tenants;
  gateway_config gateway;
  scheduling_config scheduling;
  liveness_config liveness;
  transfers_config transfers;
  quotas_config quotas;

  const node_config& head() const;
  const node_config* find_node(std::string_view name) const;
  uint64_t largest_arena_bytes() const;
};
FASTPTM_FIELDS(cluster_config, nodes, tenants, gateway, scheduling, liveness, transfers, quotas)

// How long a call of the gateway may take: as configured, or as long as a request with the longest deadline has to be
// waited for, so that it is answered and not broken off.
core::duration_us longest_call_us(const cluster_config& from);

// Every fault is one line `file:line: what`, several joined by newlines;
// errc::invalid, or the reason the file cannot be read.
core::result<cluster_config> load_config(const std::filesystem::path& file);

// The same from text; `display_name` stands in front of the messages.
core::result<cluster_config> parse_config(std::string_view text, std::string_view display_name);

} // namespace fastptm::node
