// The cards of published models at the gateway: tokenizers and usages, a bounded amount of them in memory.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <kj/async.h>

#include "core/error.hpp"
#include "engine/tokenizer.hpp"
#include "protocol/serving.hpp"
#include "rpc/bridge.hpp"
#include "rpc/helper_thread.hpp"
#include "rpc/recent.hpp"
#include "weights/format/usage.hpp"

namespace fastptm::rpc {

// On the KJ thread; files are read on the helper thread.
class cards {
public:
  template <class T> using shared = std::shared_ptr<const T>;

  cards(bridge& actors, helper_thread& thread, size_t most_tokenizers);

  // errc::invalid when the model brings no tokenizer.
  kj::Promise<core::result<shared<engine::tokenizer>>> tokenizer_of(const protocol::model_row& model);
  // Never null; says nothing for models that were published without one.
  kj::Promise<core::result<shared<weights::usage>>> usage_of(const protocol::model_row& model);

private:
  // What a card's file holds, read by `load` on the helper thread.
  template <class T>
  kj::Promise<core::result<T>> read(const protocol::model_row& model,
                                    std::function<core::result<T>(const std::string& path)> load);

  bridge& actors_;
  helper_thread& thread_;
  recent<shared<engine::tokenizer>> tokenizers_;
  recent<shared<weights::usage>> usages_;
};

} // namespace fastptm::rpc
