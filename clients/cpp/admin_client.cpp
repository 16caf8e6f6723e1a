// The operator's client: one connection, one call at a time.
#include "clients/cpp/client.hpp"

#include "clients/cpp/connection.hpp"
#include "schemas/admin.capnp.h"
#include "schemas/by_name.hpp"

namespace fastptm::clients {

struct admin_client::state {
  explicit state(std::shared_ptr<event_loop> loop) : link(std::move(loop)) {}
  connection link;
  kj::Maybe<schema::Admin::Client> admin;
  schema::Admin::Client& server() { return KJ_ASSERT_NONNULL(admin); }
};

admin_client::admin_client(std::unique_ptr<state> given) : state_(std::move(given)) {}
admin_client::~admin_client() = default;

core::result<std::unique_ptr<admin_client>> admin_client::connect(const connect_options& options) {
  auto made = std::make_unique<state>(options.loop != nullptr ? options.loop : make_event_loop());
  const auto address = options.find_address ? options.find_address() : core::result<std::string>(options.address);
  if (!address) return core::fail(address.error());
  if (auto connected = made->link.connect(*address, options.timeout_us); !connected)
    return core::fail(connected.error());
  auto request = made->link.bootstrap<schema::AdminGateway>().loginRequest();
  request.setToken({options.token.data(), options.token.size()});
  auto login = made->link.finish(request.send(), options.timeout_us);
  if (!login && login.error().code == core::errc::version_mismatch) return core::fail(wrong_port(*address, "admin"));
  if (!login) return core::fail(login.error());
  made->admin = (*login)->getAdmin();
  return std::unique_ptr<admin_client>(new admin_client(std::move(made)));
}

core::result<protocol::cluster_status> admin_client::status() {
  const auto got = state_->link.finish(state_->server().statusRequest().send());
  if (!got) return core::fail(got.error());
  return schema::read_as<protocol::cluster_status>((*got)->getStatus());
}

core::result<std::vector<protocol::load_report>> admin_client::loads(uint32_t last) {
  auto request = state_->server().loadsRequest();
  request.setLast(last);
  const auto got = state_->link.finish(request.send());
  if (!got) return core::fail(got.error());
  return schema::read_rows<protocol::load_report>((*got)->getLoads());
}

core::result<std::vector<protocol::running_load>> admin_client::running_loads() {
  const auto got = state_->link.finish(state_->server().runningLoadsRequest().send());
  if (!got) return core::fail(got.error());
  return schema::read_rows<protocol::running_load>((*got)->getLoads());
}

core::result<protocol::explanation> admin_client::explain(const std::string& model) {
  auto request = state_->server().explainRequest();
  request.setFullName(model.c_str());
  const auto got = state_->link.finish(request.send());
  if (!got) return core::fail(got.error());
  return schema::read_as<protocol::explanation>((*got)->getExplanation());
}

core::result<void> admin_client::cordon(const std::string& device, bool on) {
  auto request = state_->server().cordonRequest();
  request.setDevice(device.c_str());
  request.setOn(on);
  auto done = state_->link.finish(request.send());
  if (!done) return core::fail(done.error());
  return {};
}

core::result<uint64_t> admin_client::evict(const std::string& device, const std::string& model) {
  auto request = state_->server().evictRequest();
  request.setDevice(device.c_str());
  request.setFullName(model.c_str());
  auto done = state_->link.finish(request.send());
  if (!done) return core::fail(done.error());
  return (*done)->getFreedBytes();
}

core::result<uint64_t> admin_client::drop_cache() {
  auto done = state_->link.finish(state_->server().dropCacheRequest().send());
  if (!done) return core::fail(done.error());
  return (*done)->getFreedBytes();
}

core::result<void> admin_client::read_tokens_again() {
  auto done = state_->link.finish(state_->server().readTokensAgainRequest().send());
  if (!done) return core::fail(done.error());
  return {};
}

} // namespace fastptm::clients
