// Keeps what it is told, bounded, and lists it.
#include "actors/membership/ledger.hpp"

#include <algorithm>

namespace fastptm::actors {

namespace {

// As from the store's memory: where a load without anything to share finds most.
protocol::source_report& row_for_moved(protocol::load_report& report) {
  const auto found = std::ranges::find_if(
      report.sources, [](const auto& source) { return source.kind != protocol::same_device && !source.failed; });
  if (found != report.sources.end()) return *found;
  const auto node = report.device.substr(0, report.device.find('/'));
  return report.sources.emplace_back(protocol::source_report{"host_cache", node, "map", 0, 0, 0, false});
}

} // namespace

protocol::load_report told_to_its_tenant(protocol::load_report report) {
  const auto foreign = std::ranges::find_if(report.sources, [](const auto& source) {
    return source.kind == protocol::same_device && source.path == protocol::of_others;
  });
  if (foreign == report.sources.end()) return report;
  const auto bytes = foreign->bytes;
  const auto chunks = foreign->chunks;
  report.sources.erase(foreign);
  auto& moved = row_for_moved(report);
  moved.bytes += bytes;
  moved.chunks += chunks;
  report.bytes_shared -= bytes;
  report.bytes_moved += bytes;
  report.verified_chunks += chunks;
  return report;
}

ledger::ledger(interface::pointer self, ledger_options options) : self_(self), options_(options) {
  if (options_.metrics != nullptr) metrics_.emplace(*options_.metrics);
}

ledger::interface::behavior_type ledger::make_behavior() {
  return {
      [this](const protocol::running_load& load) { on_running(load); },
      [this](const protocol::load_report& report) { on_report(report); },
      [this](const protocol::node_list& nodes) { on_nodes(nodes); },
      [this](protocol::nodes_atom) { return nodes_; },
      [this](protocol::loads_atom, uint32_t last, const std::string& tenant) { return on_loads(last, tenant); },
      [this](protocol::running_atom) { return on_list_running(); },
      [this](protocol::stop_atom) { self_->quit(caf::exit_reason::user_shutdown); },
  };
}

// -- from the directory -----------------------------------------------------------------------------------------------

void ledger::on_running(const protocol::running_load& load) {
  running_[load.device] = load;
}

void ledger::on_report(const protocol::load_report& report) {
  if (const auto running = running_.find(report.device); running != running_.end() && running->second.id == report.id)
    running_.erase(running);
  if (report.left_us != 0) { // told before: what is new is that the set has left
    const auto known = std::find_if(reports_.rbegin(), reports_.rend(), [&](const protocol::load_report& one) {
      return one.id == report.id && one.device == report.device;
    });
    if (known != reports_.rend()) *known = report;
    return;
  }
  if (metrics_) metrics_->count(report);
  reports_.push_back(report);
  if (reports_.size() > options_.kept_reports) reports_.pop_front();
}

void ledger::on_nodes(const protocol::node_list& nodes) {
  for (const auto& node : nodes.rows) {
    on_node(node);
    if (!metrics_) continue;
    for (const auto& device : node.devices) metrics_->count(device);
  }
}

// Loads of a life that is over will not report their end.
void ledger::on_node(const protocol::node_status& node) {
  const auto known = places_.try_emplace(node.name, nodes_.rows.size());
  if (known.second) return nodes_.rows.push_back(node);
  auto& row = nodes_.rows[known.first->second];
  if (node.state == protocol::node_state::lost || node.incarnation != row.incarnation) {
    const auto prefix = node.name + "/";
    for (auto load = running_.lower_bound(prefix); load != running_.end() && load->first.starts_with(prefix);)
      load = running_.erase(load);
  }
  row = node;
}

// -- from the gateway and administrators ------------------------------------------------------------------------------

protocol::load_list ledger::on_loads(uint32_t last, const std::string& tenant) const {
  protocol::load_list listed;
  const auto prefix = tenant + "/";
  for (auto report = reports_.rbegin(); report != reports_.rend() && listed.rows.size() < last; ++report)
    if (tenant.empty())
      listed.rows.push_back(*report);
    else if (report->model.starts_with(prefix))
      listed.rows.push_back(told_to_its_tenant(*report));
  std::reverse(listed.rows.begin(), listed.rows.end());
  return listed;
}

protocol::running_list ledger::on_list_running() const {
  protocol::running_list listed;
  for (const auto& [device, load] : running_) listed.rows.push_back(load);
  return listed;
}

} // namespace fastptm::actors
