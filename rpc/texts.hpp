// Texts to token ids at the gateway: the tokenizers of published models, a bounded number of them in memory.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <utility>

#include <kj/async.h>

#include "actors/messages/serving.hpp"
#include "core/error.hpp"
#include "engine/tokenizer.hpp"
#include "rpc/bridge.hpp"
#include "rpc/helper_thread.hpp"

namespace fastptm::rpc {

// On the KJ thread; reading and tokenising happen on its own helper thread.
class texts {
public:
  texts(bridge& actors, size_t most_tokenizers) : actors_(actors), most_(most_tokenizers) {}

  // Cut to the model's length, with special tokens. not_found when the model brings no tokenizer.
  kj::Promise<core::result<engine::encoding>> encode(const actors::model_row& model, std::string text);

private:
  using shared_tokenizer = std::shared_ptr<const engine::tokenizer>;

  kj::Promise<core::result<shared_tokenizer>> tokenizer_of(const actors::model_row& model);
  void remember(const core::digest& card, shared_tokenizer made);

  bridge& actors_;
  const size_t most_;
  std::list<std::pair<core::digest, shared_tokenizer>> used_; // newest first
  helper_thread thread_;
};

} // namespace fastptm::rpc
