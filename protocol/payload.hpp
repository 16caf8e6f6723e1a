// Bytes that the runtime carries without looking at them: inputs, outputs, manifests. Little-endian by contract.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "protocol/fields.hpp"

namespace fastptm::protocol {

struct payload {
  std::vector<unsigned char> bytes; // this type has CAF's fast path
};
FASTPTM_FIELDS(payload, bytes)

// A message between nodes stays below this; longer lists are sent in parts (interfaces.hpp says which).
constexpr size_t message_limit_bytes = 48 << 10;

// One input of a request: u32 count, u32 unpooled, count x i32 ids, then nothing or count x i32 token types.
payload encode_input(std::span<const int32_t> ids, std::span<const int32_t> token_types, uint32_t unpooled = 0);

struct decoded_input {
  std::vector<int32_t> ids;
  std::vector<int32_t> token_types; // empty: all zero
  uint32_t unpooled = 0;            // tokens at the beginning that the pooling leaves out: a prompt's
};
core::result<decoded_input> decode_input(const payload& from);

// One output: f32 values, nothing else.
payload encode_output(std::span<const float> values);
core::result<std::vector<float>> decode_output(const payload& from);

payload to_payload(std::span<const std::byte> bytes);
std::span<const std::byte> as_bytes(const payload& from);

} // namespace fastptm::protocol
