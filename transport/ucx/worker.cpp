// Calls into UCX: context, worker, listener, endpoints, sends.
#include "transport/ucx/worker.hpp"

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/memory_region.hpp"
#include "core/socket_address.hpp"

namespace fastptm::transport::ucx {

namespace {

// Below it one eager message is cheaper than a rendezvous.
constexpr uint64_t eager_bytes = 8 << 10;

// UCX 1.13 grows its table of handlers in steps and calls what lies in the unset part of it: a message with an id that
// nobody handles would end the process. Every id up to here has a handler, the table ends here.
constexpr unsigned guarded_ids = 64;

ucs_status_t drop(void*, const void*, size_t, void*, size_t, const ucp_am_recv_param_t*) {
  return UCS_OK;
}

} // namespace

core::error from_status(ucs_status_t status, std::string_view what) {
  return {core::errc::unavailable, fmt::format("{}: {}", what, ucs_status_string(status))};
}

ucs_memory_type_t memory_type(core::memory_kind kind) {
  return kind == core::memory_kind::device ? UCS_MEMORY_TYPE_CUDA : UCS_MEMORY_TYPE_HOST;
}

// -- endpoint ---------------------------------------------------------------------------------------------------------

struct endpoint::outgoing {
  endpoint* from;
  std::function<void(ucs_status_t)> done;
  // Belongs to UCX until the send has completed: 1.13 cannot copy it.
  std::array<std::byte, wire::largest_header> header;
};

core::result<void> endpoint::connect(ucp_worker_h worker, const sockaddr_storage& address,
                                     std::function<void()> on_error) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_SOCK_ADDR | UCP_EP_PARAM_FIELD_FLAGS;
  params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address);
  params.sockaddr.addrlen = core::size_of(address);
  return create(worker, params, std::move(on_error));
}

core::result<void> endpoint::accept(ucp_worker_h worker, ucp_conn_request_h request, std::function<void()> on_error) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST;
  params.conn_request = request;
  return create(worker, params, std::move(on_error));
}

// Both ends must handle errors the same way, else they never connect.
core::result<void> endpoint::create(ucp_worker_h worker, ucp_ep_params_t params, std::function<void()> on_error) {
  on_error_ = std::move(on_error);
  params.field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = on_ucx_error;
  params.err_handler.arg = this;
  const auto status = ucp_ep_create(worker, &params, &handle_);
  if (status == UCS_OK) return {};
  handle_ = nullptr;
  failed_ = true;
  return core::fail(from_status(status, "making an endpoint"));
}

void endpoint::on_ucx_error(void* self, ucp_ep_h, ucs_status_t) {
  auto& failed = *static_cast<endpoint*>(self);
  if (std::exchange(failed.failed_, true)) return;
  if (failed.on_error_) failed.on_error_();
}

core::result<void> endpoint::send_bytes(unsigned id, const void* header, size_t header_bytes,
                                        core::memory_region payload, std::function<void(ucs_status_t)> done) {
  if (failed_ || close_begun_ || !handle_) return core::fail(core::errc::unavailable, "the endpoint has failed");
  auto message = std::make_unique<outgoing>(outgoing{this, std::move(done), {}});
  std::memcpy(message->header.data(), header, header_bytes);
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS |
                       UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.cb.send = on_sent;
  param.user_data = message.get();
  param.memory_type = memory_type(payload.kind);
  // The reply endpoint tells a source which of its connections a hello came by.
  param.flags =
      payload.size_bytes > eager_bytes ? UCP_AM_SEND_FLAG_RNDV : UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY;
  ++operations_;
  auto* request =
      ucp_am_send_nbx(handle_, id, message->header.data(), header_bytes, payload.address, payload.size_bytes, &param);
  if (UCS_PTR_IS_PTR(request)) {
    (void)message.release(); // on_sent takes it
    return {};
  }
  --operations_;
  if (UCS_PTR_IS_ERR(request)) return core::fail(from_status(UCS_PTR_STATUS(request), "sending a message"));
  if (message->done) message->done(UCS_OK);
  return {};
}

void endpoint::on_sent(void* request, ucs_status_t status, void* user_data) {
  std::unique_ptr<outgoing> message(static_cast<outgoing*>(user_data));
  --message->from->operations_;
  ucp_request_free(request);
  if (message->done) message->done(status);
}

void endpoint::begin_close() {
  if (std::exchange(close_begun_, true) || !handle_) return;
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  closing_ = ucp_ep_close_nbx(handle_, &param);
}

bool endpoint::closed() {
  if (!close_begun_) return false;
  if (UCS_PTR_IS_PTR(closing_)) {
    if (ucp_request_check_status(closing_) == UCS_INPROGRESS) return false;
    ucp_request_free(closing_);
  }
  closing_ = nullptr;
  return operations_ == 0;
}

// -- worker -----------------------------------------------------------------------------------------------------------

core::result<std::unique_ptr<worker>> worker::create() {
  std::unique_ptr<worker> made(new worker());
  ucp_config_t* config = nullptr;
  if (const auto status = ucp_config_read(nullptr, nullptr, &config); status != UCS_OK)
    return core::fail(from_status(status, "reading UCX's configuration"));
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES;
  // No RMA: over tcp it would let any peer read and write this whole process.
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  auto status = ucp_init(&params, config, &made->context_);
  ucp_config_release(config);
  if (status != UCS_OK) return core::fail(from_status(status, "starting UCX (check UCX_TLS and UCX_NET_DEVICES)"));
  ucp_worker_params_t worker_params{};
  worker_params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  worker_params.thread_mode = UCS_THREAD_MODE_SINGLE;
  if (status = ucp_worker_create(made->context_, &worker_params, &made->handle_); status != UCS_OK)
    return core::fail(from_status(status, "making a UCX worker"));
  for (unsigned id = 0; id < guarded_ids; ++id)
    if (auto set = made->set_handler(id, drop, nullptr); !set) return core::fail(set.error());
  if (status = ucp_worker_get_efd(made->handle_, &made->event_file_); status != UCS_OK)
    return core::fail(from_status(status, "getting the event file of a UCX worker"));
  return made;
}

worker::~worker() {
  stop_listening();
  if (handle_) ucp_worker_destroy(handle_);
  if (context_) ucp_cleanup(context_);
}

core::result<void> worker::set_handler(unsigned id, handler call, void* self) {
  ucp_am_handler_param_t param{};
  param.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  param.id = id;
  param.cb = call;
  param.arg = self;
  if (const auto status = ucp_worker_set_am_recv_handler(handle_, &param); status != UCS_OK)
    return core::fail(from_status(status, "setting a message handler"));
  return {};
}

core::result<uint16_t> worker::listen(const std::string& host, uint16_t port,
                                      ucp_listener_conn_callback_t on_connection, void* self) {
  const auto address = core::parse_address(host, port);
  if (!address) return core::fail("transport listen address", address.error());
  ucp_listener_params_t params{};
  params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&*address);
  params.sockaddr.addrlen = core::size_of(*address);
  params.conn_handler.cb = on_connection;
  params.conn_handler.arg = self;
  if (const auto status = ucp_listener_create(handle_, &params, &listener_); status != UCS_OK)
    return core::fail(from_status(status, fmt::format("listening on {} port {}", host, port)));
  ucp_listener_attr_t attributes{};
  attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
  if (const auto status = ucp_listener_query(listener_, &attributes); status != UCS_OK)
    return core::fail(from_status(status, "asking for the listener's port"));
  return core::port_of(attributes.sockaddr);
}

void worker::reject(ucp_conn_request_h request) {
  ucp_listener_reject(listener_, request);
}

void worker::stop_listening() {
  if (listener_) ucp_listener_destroy(std::exchange(listener_, nullptr));
}

} // namespace fastptm::transport::ucx
