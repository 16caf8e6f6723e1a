// JSON of a few lines.
#include "node/node_record.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/json.hpp"
#include "core/json_writer.hpp"
#include "node/state_folder.hpp"

namespace fastptm::node {

namespace fs = std::filesystem;

namespace {

std::string text_member(const core::json_value& of, std::string_view key) {
  const auto* member = of.find(key);
  return member != nullptr && member->string() != nullptr ? *member->string() : std::string();
}

} // namespace

core::result<void> write_record(const fs::path& run_folder, const node_record& record) {
  core::json_list roles;
  for (const auto& role : record.roles) roles.add(core::json_text(role));
  core::json_writer out;
  out.text("name", record.name).number("pid", record.pid).raw("roles", roles.str());
  out.text("control", record.control)
      .text("gateway", record.gateway)
      .text("gateway_tls", record.gateway_tls)
      .text("admin", record.admin)
      .text("http", record.http);
  return write_file(run_folder / (record.name + ".json"), out.str() + "\n", 0600);
}

core::result<node_record> read_record(const fs::path& file) {
  auto text = read_file(file);
  if (!text) return core::fail(text.error());
  auto parsed = core::parse_json(*text, file.string());
  if (!parsed) return core::fail(parsed.error());
  node_record out;
  out.name = text_member(*parsed, "name");
  if (const auto* pid = parsed->find("pid")) out.pid = pid->integer().value_or(0);
  if (const auto* roles = parsed->find("roles"); roles != nullptr && roles->array() != nullptr) {
    for (const auto& role : *roles->array()) {
      if (role.string() != nullptr) out.roles.push_back(*role.string());
    }
  }
  out.control = text_member(*parsed, "control");
  out.gateway = text_member(*parsed, "gateway");
  out.gateway_tls = text_member(*parsed, "gateway_tls");
  out.admin = text_member(*parsed, "admin");
  out.http = text_member(*parsed, "http");
  return out;
}

core::result<node_record> find_head(const fs::path& run_folder) {
  std::error_code trouble;
  for (const auto& entry : fs::directory_iterator(run_folder, trouble)) {
    if (entry.path().extension() != ".json") continue;
    auto record = read_record(entry.path());
    if (record && std::find(record->roles.begin(), record->roles.end(), "head") != record->roles.end()) return record;
  }
  return core::fail(
      core::errc::unavailable,
      fmt::format("{} has no address of a head: is the cluster running on this host?", run_folder.string()));
}

} // namespace fastptm::node
