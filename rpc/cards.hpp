// The cards of published models at the gateway: tokenizers and usages, a bounded amount of them in memory.
#pragma once

#include <memory>
#include <string>

#include <kj/async.h>

#include "core/error.hpp"
#include "engine/tokenizer.hpp"
#include "protocol/serving.hpp"
#include "rpc/bridge.hpp"
#include "rpc/recent.hpp"
#include "rpc/text_queue.hpp"
#include "weights/format/usage.hpp"

namespace fastptm::rpc {

// On the KJ thread; files are read on the tokenizers' thread.
class cards {
public:
  template <class T> using shared = std::shared_ptr<const T>;

  cards(bridge& actors, text_queue& queue, size_t most_tokenizers);

  // errc::invalid when the model brings no tokenizer.
  kj::Promise<core::result<shared<engine::tokenizer>>> tokenizer_of(const protocol::model_row& model);
  // Never null; says nothing for models that were published without one.
  kj::Promise<core::result<shared<weights::usage>>> usage_of(const protocol::model_row& model);

private:
  // What a card's file holds, read by `load` on that thread; corrupt where it is not what was published.
  template <class T>
  kj::Promise<core::result<T>> read(const protocol::model_row& model,
                                    core::result<T> (*load)(const std::string& path, const core::digest& name));

  bridge& actors_;
  text_queue& queue_;
  recent<shared<engine::tokenizer>> tokenizers_;
  recent<shared<weights::usage>> usages_;
};

} // namespace fastptm::rpc
