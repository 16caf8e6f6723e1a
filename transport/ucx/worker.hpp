// RAII over a UCX context with its one worker, and over its endpoints and sends.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <ucp/api/ucp.h>

#include "core/error.hpp"
#include "transport/ucx/wire.hpp"

namespace fastptm::transport::ucx {

// The error of a UCX call, as `what: UCX's text`.
core::error from_status(ucs_status_t status, std::string_view what);

// One endpoint with error handling. Stays in memory until it is closed and its operations have completed; UCX keeps its
// address. Used on the pump's thread only.
class endpoint {
public:
  endpoint() = default;
  endpoint(const endpoint&) = delete;
  endpoint& operator=(const endpoint&) = delete;

  // `on_error` is called inside progress and may only take notes.
  core::result<void> connect(ucp_worker_h worker, const sockaddr_storage& address, std::function<void()> on_error);
  core::result<void> accept(ucp_worker_h worker, ucp_conn_request_h request, std::function<void()> on_error);

  // Sends an active message; payload null: header only.
  // `done` is called when neither is needed any more, unless the call fails.
  template <class Header>
  core::result<void> send(unsigned id, const Header& header, std::function<void(ucs_status_t)> done = {}) {
    return send_bytes(id, &header, sizeof header, {}, std::move(done));
  }
  template <class Header>
  core::result<void> send(unsigned id, const Header& header, core::memory_region payload,
                          std::function<void(ucs_status_t)> done) {
    return send_bytes(id, &header, sizeof header, payload, std::move(done));
  }

  // Tears it down without asking the peer. Operations complete, with errors, in later rounds of progress.
  void begin_close();
  // True: the close was begun and nothing of this endpoint is alive in UCX.
  bool closed();

  ucp_ep_h handle() const { return handle_; }
  bool failed() const { return failed_; }
  void operation_begins() { ++operations_; }
  void operation_ends() { --operations_; }

private:
  struct outgoing;
  core::result<void> create(ucp_worker_h worker, ucp_ep_params_t params, std::function<void()> on_error);
  core::result<void> send_bytes(unsigned id, const void* header, size_t header_bytes, core::memory_region payload,
                                std::function<void(ucs_status_t)> done);
  static void on_ucx_error(void* self, ucp_ep_h handle, ucs_status_t status);
  static void on_sent(void* request, ucs_status_t status, void* user_data);

  ucp_ep_h handle_ = nullptr;
  std::function<void()> on_error_;
  bool failed_ = false;
  bool close_begun_ = false;
  void* closing_ = nullptr;
  uint32_t operations_ = 0; // sends and receives that UCX still works on
};

// The context and the worker. Created anywhere, then used by one thread at a time.
class worker {
public:
  static core::result<std::unique_ptr<worker>> create();
  ~worker();

  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  using handler = ucs_status_t (*)(void* self, const void* header, size_t header_bytes, void* data, size_t data_bytes,
                                   const ucp_am_recv_param_t* param);
  core::result<void> set_handler(unsigned id, handler call, void* self);

  // Returns the port that is listened on.
  core::result<uint16_t> listen(const std::string& host, uint16_t port, ucp_listener_conn_callback_t on_connection,
                                void* self);
  void reject(ucp_conn_request_h request);
  void stop_listening();

  bool progress() { return ucp_worker_progress(handle_) != 0; }
  bool arm() { return ucp_worker_arm(handle_) == UCS_OK; }
  int event_file() const { return event_file_; }
  ucp_worker_h handle() const { return handle_; }

private:
  worker() = default;

  ucp_context_h context_ = nullptr;
  ucp_worker_h handle_ = nullptr;
  ucp_listener_h listener_ = nullptr;
  int event_file_ = -1;
};

ucs_memory_type_t memory_type(core::memory_kind kind);

} // namespace fastptm::transport::ucx
