// Turns the parsed text into our struct and checks what the schema cannot.
#include "node/config/config.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/log.hpp"
#include "core/names.hpp"
#include "core/network_address.hpp"
#include "core/patience.hpp"
#include "core/units.hpp"
#include "node/config/bounds.hpp"
#include "node/config/config_text.hpp"
#include "node/config/settings.hpp"
#include "policy/scheduling/core.hpp"

namespace fastptm::node {

using namespace core::literals;

namespace {

constexpr uint64_t max_config_bytes = 1_MiB;

// -- text to struct ---------------------------------------------------------------------------------------------------

cluster_config cluster_of(schema::Cluster::Reader in) {
  cluster_config out;
  read_settings(in, out);
  for (unsigned i = 0; i < out.nodes.size(); ++i) {
    auto& node = out.nodes[i];
    node.address = core::bare_host(node.address);
    for (const auto role : in.getNodes()[i].getRoles()) {
      node.head |= role == schema::Role::HEAD;
      node.store |= role == schema::Role::STORE;
      node.worker |= role == schema::Role::WORKER;
    }
  }
  out.gateway.address = core::bare_host(out.gateway.address);
  out.gateway.http_address = core::bare_host(out.gateway.http_address);
  return out;
}

// -- checks -----------------------------------------------------------------------------------------------------------

// The line of the n-th occurrence (from 1) of `"name"`; 0 when there are fewer. Values carry no positions of their own.
unsigned line_of(std::string_view text, const std::string& name, unsigned occurrence = 1) {
  const auto quoted = '"' + name + '"';
  size_t at = 0;
  for (; occurrence > 0; --occurrence) {
    at = text.find(quoted, at == 0 ? 0 : at + 1);
    if (at == std::string_view::npos) return 0;
  }
  return static_cast<unsigned>(1 + std::count(text.begin(), text.begin() + static_cast<ptrdiff_t>(at), '\n'));
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 32 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == name.npos;
}

class checker {
public:
  checker(const cluster_config& config, schema::Cluster::Reader given, std::string_view text)
      : config_(config), given_(given), text_(text) {}

  std::vector<text_fault> run() {
    if (config_.nodes.empty()) fault(0, "has no nodes");
    if (config_.nodes.size() > 4096) fault(0, "has more than 4096 nodes");
    for (const auto& node : config_.nodes) check_node(node);
    check_head();
    check_tenants();
    check_sections();
    check_numbers();
    return std::move(faults_);
  }

private:
  void fault(unsigned line, std::string message) { faults_.push_back({line, std::move(message)}); }

  void check_node(const node_config& node) {
    const auto line = line_of(text_, node.name);
    if (!is_name(node.name)) {
      return fault(line, fmt::format("node name '{}': use up to 32 lower-case letters, digits, dashes",
                                     core::printable(node.name, 40)));
    }
    if (!node_names_.insert(node.name).second) {
      fault(line_of(text_, node.name, 2), fmt::format("node '{}' is there twice: names are unique", node.name));
    }
    if (!node.head && !node.store && !node.worker) fault(line, fmt::format("node '{}' has no role", node.name));
    if (!core::is_host(node.address)) {
      fault(line, fmt::format("node '{}': address '{}' is no IPv4 or IPv6 address and no host name", node.name,
                              core::printable(node.address, 60)));
    }
    if (node.worker && node.devices.empty()) fault(line, fmt::format("worker '{}' has no devices", node.name));
    if (!node.worker && !node.devices.empty()) {
      fault(line, fmt::format("node '{}' has devices and not the role worker", node.name));
    }
    if (node.store && !node.head)
      fault(line, fmt::format("node '{}': the store role belongs on the head's node", node.name));
    if (node.store && node.host_cache_bytes < 8_MiB) {
      fault(line, fmt::format("store '{}': hostCacheMib is below 8: it holds at least two chunks", node.name));
    }
    for (const auto& device : node.devices) check_device(node, device, line);
    if (node.devices.size() > 1)
      fault(line, fmt::format("node '{}' has {} devices: use one node per device", node.name, node.devices.size()));
  }

  void check_device(const node_config& node, const device_config& device, unsigned line) {
    if (!is_name(device.name))
      fault(line,
            fmt::format("node '{}': device name '{}' is not a name", node.name, core::printable(device.name, 40)));
  }

  void check_head() {
    const node_config* head = nullptr;
    bool worker = false;
    for (const auto& node : config_.nodes) {
      worker |= node.worker;
      if (!node.head) continue;
      if (head != nullptr) {
        fault(line_of(text_, node.name),
              fmt::format("'{}' and '{}' are both head: there is one head", head->name, node.name));
      }
      head = &node;
    }
    if (config_.nodes.empty()) return;
    if (head == nullptr) return fault(0, "has no node with the role head");
    if (!head->store) fault(line_of(text_, head->name), fmt::format("head '{}' needs the role store, too", head->name));
    if (!worker) fault(0, "has no node with the role worker: nothing could execute");
    check_reachable(*head);
  }

  void check_reachable(const node_config& head) {
    const bool elsewhere = std::any_of(config_.nodes.begin(), config_.nodes.end(), [&](const auto& node) {
      const bool both_loopback = core::is_loopback_host(node.address) && core::is_loopback_host(head.address);
      return node.address != head.address && !both_loopback;
    });
    if (elsewhere && head.control_port == 0) {
      fault(line_of(text_, head.name),
            fmt::format("head '{}' needs a fixed controlPort: other nodes have other addresses and cannot look it up",
                        head.name));
    }
  }

  void check_tenants() {
    if (config_.tenants.empty()) fault(0, "has no tenants: nobody could publish or ask");
    std::set<std::string> names;
    for (const auto& tenant : config_.tenants) {
      const auto line = line_of(text_, tenant.name);
      if (!is_name(tenant.name) || !core::check_name("tenant", tenant.name)) {
        fault(line,
              fmt::format("tenant name '{}': use up to 32 lower-case letters, digits, - and _, a letter or digit first",
                          core::printable(tenant.name, 40)));
      } else if (!names.insert(tenant.name).second) {
        fault(line_of(text_, tenant.name, 2), fmt::format("tenant '{}' is there twice", tenant.name));
      }
    }
  }

  void check_listening(std::string_view field, const std::string& address) {
    if (core::is_host(address)) return;
    fault(0, fmt::format("{} '{}' is no IPv4 or IPv6 address and no host name", field, core::printable(address, 60)));
  }

  void check_tls(const gateway_config& gateway) {
    if (gateway.tls_certificate.empty() != gateway.tls_key.empty())
      fault(0, "gateway.tlsCertificate and gateway.tlsKey belong together: give both or none");
    if (!gateway.tls_certificate.empty() || gateway.insecure || core::is_loopback_host(gateway.address)) return;
    fault(0,
          fmt::format("gateway.address '{}' is not on loopback, and clients would send their tokens in the clear: give "
                      "tlsCertificate and tlsKey, or say insecure = true where the network is private",
                      core::printable(gateway.address, 60)));
  }

  void check_sections() {
    check_listening("gateway.address", config_.gateway.address);
    check_tls(config_.gateway);
    check_listening("gateway.httpAddress", config_.gateway.http_address);
    if (const auto core = policy::scheduling::make_core(scheduling_options(config_.scheduling)); !core)
      fault(line_of(text_, config_.scheduling.strategy), core::printable(core.error().message, 300));
    if (config_.transfers.sources.empty()) fault(0, "transfers.sources is empty: weights could come from nowhere");
  }

  // The schema's bounds, of every section and every row.
  void check_numbers() {
    const capnp::DynamicStruct::Reader all = given_;
    for (const auto field : all.getSchema().getFields())
      if (field.getType().isStruct())
        check_bounds(all.get(field).as<capnp::DynamicStruct>(), 0,
                     field.getProto().getName().cStr() + std::string("."));
    for (const auto tenant : given_.getTenants()) check_row(tenant, "tenant", tenant.getName().cStr());
    for (const auto node : given_.getNodes()) {
      const std::string name = node.getName().cStr();
      check_row(node, "node", name);
      for (const auto device : node.getDevices()) check_row(device, "device", name, device.getName().cStr());
    }
  }

  void check_row(capnp::DynamicStruct::Reader of, std::string_view what, const std::string& name,
                 const std::string& part = {}) {
    const auto full = part.empty() ? name : name + "/" + part;
    check_bounds(of, line_of(text_, name), fmt::format("{} '{}': ", what, full));
  }

  void check_bounds(capnp::DynamicStruct::Reader of, unsigned line, const std::string& prefix) {
    for (const auto& each : out_of_bounds(of)) fault(line, prefix + each);
  }

  const cluster_config& config_;
  const schema::Cluster::Reader given_;
  const std::string_view text_;
  std::set<std::string> node_names_;
  std::vector<text_fault> faults_;
};

std::string joined(const std::vector<text_fault>& faults, std::string_view display_name) {
  std::string out;
  for (const auto& fault : faults) {
    if (!out.empty()) out += '\n';
    out += fault.line == 0 ? fmt::format("{}: {}", display_name, core::printable(fault.message))
                           : fmt::format("{}:{}: {}", display_name, fault.line, core::printable(fault.message));
  }
  return out;
}

} // namespace

// -- the struct -------------------------------------------------------------------------------------------------------

std::vector<std::string> node_config::roles() const {
  std::vector<std::string> out;
  if (head) out.emplace_back("head");
  if (store) out.emplace_back("store");
  if (worker) out.emplace_back("worker");
  return out;
}

const node_config& cluster_config::head() const {
  const auto at = std::find_if(nodes.begin(), nodes.end(), [](const auto& node) { return node.head; });
  core::check(at != nodes.end(), "a checked configuration has a head");
  return *at;
}

const node_config* cluster_config::find_node(std::string_view name) const {
  const auto at = std::find_if(nodes.begin(), nodes.end(), [&](const auto& node) { return node.name == name; });
  return at == nodes.end() ? nullptr : &*at;
}

uint64_t cluster_config::largest_arena_bytes() const {
  uint64_t largest = 0;
  for (const auto& node : nodes) {
    for (const auto& device : node.devices) largest = std::max(largest, device.arena_bytes);
  }
  return largest;
}

// -- reading ----------------------------------------------------------------------------------------------------------

core::result<cluster_config> parse_config(std::string_view text, std::string_view display_name) {
  capnp::MallocMessageBuilder message;
  auto faults = read_config_text(text, display_name, message);
  if (!faults.empty()) return core::fail(core::errc::invalid, joined(faults, display_name));
  const auto given = message.getRoot<schema::Cluster>().asReader();
  auto config = cluster_of(given);
  faults = checker(config, given, text).run();
  if (!faults.empty()) return core::fail(core::errc::invalid, joined(faults, display_name));
  return config;
}

core::duration_us longest_call_us(const cluster_config& from) {
  return std::max(from.gateway.call_timeout_us, from.scheduling.max_deadline_us + core::longest_patience_us);
}

policy::scheduling::options scheduling_options(const scheduling_config& from) {
  policy::scheduling::options out;
  out.strategy = from.strategy;
  out.max_batch = from.max_batch;
  out.max_batch_us = from.max_batch_us;
  out.hold = from.hold_percent / 100.0;
  out.hold_guard_us = from.hold_guard_us;
  out.slack_scale_us = from.slack_scale_us;
  out.late_patience_us = from.late_patience_us;
  out.fair_window_us = from.fair_window_us;
  return out;
}

core::result<cluster_config> load_config(const std::filesystem::path& file) {
  std::error_code trouble;
  if (!std::filesystem::is_regular_file(file, trouble)) {
    return core::fail(
        core::errc::not_found,
        fmt::format("{}: no such file, or not a regular one: give the path of a configuration", file.string()));
  }
  if (std::filesystem::file_size(file, trouble) > max_config_bytes) {
    return core::fail(
        core::errc::invalid,
        fmt::format("{}: larger than 1 MiB: this is no configuration, give the path of one", file.string()));
  }
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return core::fail(core::from_errno(errno, file.string()));
  return parse_config(text.str(), file.string());
}

} // namespace fastptm::node
