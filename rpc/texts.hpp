// Texts to token ids at the gateway, as the model's publisher meant it: prompt, tokenizer, length.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <kj/async.h>

#include "core/error.hpp"
#include "engine/tokenizer.hpp"
#include "protocol/serving.hpp"
#include "rpc/cards.hpp"
#include "rpc/text_queue.hpp"

namespace fastptm::rpc {

// What a client wants to have read.
struct text_input {
  std::string first;
  std::optional<std::string> second; // of a pair
  std::string prompt;                // the name of the one that stands before it; empty: the model's default
};

struct text_tokens {
  engine::encoding read;
  uint32_t unpooled = 0; // of the first ids: the prompt's, where the model leaves them out of its pooling
};

// On the KJ thread; reading and tokenising happen on its own helper thread, in the turn of the model's tenant.
class texts {
public:
  // `most_queued_bytes`: of one tenant's texts that wait.
  texts(bridge& actors, size_t most_tokenizers, uint64_t most_queued_bytes)
      : queue_(most_queued_bytes), cards_(actors, queue_, most_tokenizers) {}

  // Cut to the model's length, with special tokens. errc::invalid when the model brings no tokenizer or no such prompt;
  // deadline_exceeded, quota_exceeded: not read at all.
  kj::Promise<core::result<text_tokens>> encode(const protocol::model_row& model, text_input input,
                                                core::time_us deadline_us);

  // How the model is used: its labels, for whoever writes its answers.
  kj::Promise<core::result<cards::shared<weights::usage>>> usage_of(const protocol::model_row& model) {
    return cards_.usage_of(model);
  }

private:
  text_queue queue_;
  cards cards_;
};

} // namespace fastptm::rpc
