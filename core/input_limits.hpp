// Whether an input can be answered by a model.
//
// Checked once where strangers' inputs arrive, and once more where a wrong one would read beyond a table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::core {

struct input_limits {
  std::string_view model; // for messages
  uint32_t max_tokens = 0;
  uint32_t vocabulary = 0;
  uint32_t token_types = 0; // 0: the model knows none
};

// `unpooled`: of the first tokens, that a pooling leaves out.
// errc::invalid says what is wrong, where, and what to do.
result<void> check_input(const input_limits& limits, std::span<const int32_t> ids, std::span<const int32_t> token_types,
                         uint32_t unpooled);

} // namespace fastptm::core
