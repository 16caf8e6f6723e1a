// Login, and looking up models.
#include "clients/cpp/tenant_session.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <kj/debug.h>

namespace fastptm::clients {

namespace {

// Between tries, however many calls wait for one.
constexpr core::duration_us least_pause_us = 20'000;

} // namespace

std::shared_ptr<found_model> tenant_session::find_model(const std::string& name) {
  auto& entry = models[name];
  if (entry != nullptr) return entry;
  auto request = tenant.modelRequest();
  request.setFullName(name.c_str());
  auto found = std::make_shared<found_model>(kj::Promise<void>(kj::READY_NOW));
  auto looking = request.send().then([found](capnp::Response<schema::Tenant::ModelResults>&& response) {
    const auto outcome = response.getOutcome();
    if (outcome.getStatus() == schema::Status::OK) {
      found->client = response.getModel();
    } else {
      found->failure_status = to_string(outcome.getStatus());
      found->failure = outcome.getError().cStr();
    }
  });
  found->ready = kj::Promise<void>(kj::mv(looking)).fork();
  entry = found;
  return found;
}

kj::Promise<void> tenant_sessions::open() {
  if (current_ != nullptr) return kj::READY_NOW;
  if (std::exchange(is_trying_, true)) return trying_.addBranch();
  const auto pause_us = std::max<core::duration_us>(0, next_try_us_ - core::monotonic_now_us());
  auto trying = timer().afterDelay(pause_us * kj::MICROSECONDS).then([this] { return try_once(); }).then([this] {
    next_try_us_ = core::monotonic_now_us() + least_pause_us;
    current_ = last_.session;
    is_trying_ = false;
  });
  trying_ = trying.fork();
  return trying_.addBranch();
}

kj::Promise<void> tenant_sessions::try_once() {
  auto address = options_.find_address ? options_.find_address() : core::result<std::string>(options_.address);
  if (!address) {
    last_ = {nullptr, address.error(), address.error().code != core::errc::unavailable};
    return kj::READY_NOW;
  }
  auto made = std::make_shared<tenant_session>(loop_);
  auto joining = made->link.open(*address, options_.authority).then([this, made] { return log_in(made); });
  return made->link.within(kj::mv(joining), options_.timeout_us)
      .catch_([this, made, where = *address](kj::Exception&& exception) {
        if (made->link.is_distrusted()) {
          last_ = {nullptr, not_trusted(where, exception), true};
          return;
        }
        if (exception.getType() == kj::Exception::Type::UNIMPLEMENTED) {
          last_ = {nullptr, wrong_port(where, "gateway"), true};
          return;
        }
        last_ = {nullptr,
                 {core::errc::unavailable, fmt::format("nobody answers at {}: is the cluster running? ({})", where,
                                                       exception.getDescription().cStr())},
                 false};
      });
}

kj::Promise<void> tenant_sessions::log_in(const session_pointer& to) {
  auto request = to->link.bootstrap<schema::Gateway>().loginRequest();
  request.setToken({options_.token.data(), options_.token.size()});
  return request.send().then([this, to](capnp::Response<schema::Gateway::LoginResults>&& response) {
    if (const auto good = check(response.getOutcome()); !good) {
      last_ = {nullptr, good.error(), true};
      return;
    }
    to->tenant = response.getTenant();
    to->default_deadline_us = static_cast<core::duration_us>(response.getDefaultDeadlineUs());
    to->max_message_bytes = response.getMaxMessageBytes();
    last_ = {to, {}, false};
  });
}

void tenant_sessions::lose(const session_pointer& broken) {
  if (current_ != broken) return;
  lost_ = std::move(current_);
  current_ = nullptr;
}

} // namespace fastptm::clients
