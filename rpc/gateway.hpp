// Serves serving.capnp to tenants: checks, tokenises, asks the actors, answers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <capnp/capability.h>
#include <kj/timer.h>

#include "core/metrics.hpp"
#include "rpc/bridge.hpp"
#include "rpc/helper_thread.hpp"
#include "rpc/spool.hpp"
#include "rpc/tenant_gate.hpp"
#include "rpc/texts.hpp"
#include "rpc/token_book.hpp"
#include "rpc/visitor.hpp"

namespace fastptm::rpc {

struct gateway_options {
  std::vector<tenant_token> tokens;
  token_reader read_tokens;
  core::duration_us call_timeout_us = 0;
  core::duration_us default_deadline_us = 0;
  core::duration_us max_deadline_us = 0;
  uint64_t max_text_bytes = 0;
  uint64_t max_message_bytes = 0; // of its connections
  uint32_t tokenizer_cache = 0;
  uint64_t max_queued_text_bytes = 0; // of one tenant
  spool_limits spool;
  tenant_bounds bounds;
};

// What all connections share; lives on the KJ thread, longer than any connection.
class gateway {
public:
  gateway(bridge& actors, kj::Timer& timer, gateway_options options, core::metrics_registry& metrics);

  // The bootstrap capability of one connection, which logs its visitor in.
  capnp::Capability::Client bootstrap(visitor& connection);

  // Takes what an operator has changed.
  kj::Promise<core::result<void>> read_tokens_again();

  // -- for the capabilities -------------------------------------------------------------------------------------------

  bridge& actors;
  kj::Timer& timer;
  const gateway_options options;
  token_book tokens;
  tenant_gate gate;
  upload_spool spool;
  texts tokenizers;
  helper_thread disk;
  core::counter& logins;
  core::counter& refused_logins;
  core::counter& requests;
  core::counter& cut_texts;
  core::counter& uploaded_bytes;

  // A published model never changes: a row once seen stays right until the model is taken back, and then its tenant's
  // actor does not know it. The newest version of a name is looked up each time.
  kj::Promise<core::result<protocol::model_row>> find_model(const std::string& tenant, const std::string& name);
  void forget_models(const std::string& tenant);

  // The promise, or a DISCONNECTED exception after the call timeout.
  template <class T> kj::Promise<T> bounded(kj::Promise<T> call) {
    return timer.timeoutAfter(options.call_timeout_us * kj::MICROSECONDS, kj::mv(call));
  }

private:
  std::map<std::string, protocol::model_row> models_; // by full name; as many as the catalogue has
};

} // namespace fastptm::rpc
