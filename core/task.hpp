// What a model does with an input, in every message, manifest and answer.
#pragma once

#include <cstdint>
#include <string_view>

namespace fastptm::core {

// The numbers stand in manifests and messages, the names are those of the command line: change neither.
enum class task_kind : uint8_t {
  embed = 0,    // one vector of an input
  classify = 1, // one score for each label
  generate = 2  // tokens, one after the other
};

constexpr std::string_view to_string(task_kind of) noexcept {
  switch (of) {
    case task_kind::embed:
      return "embed";
    case task_kind::classify:
      return "classify";
    case task_kind::generate:
      return "generate";
  }
  return "unknown";
}

} // namespace fastptm::core
