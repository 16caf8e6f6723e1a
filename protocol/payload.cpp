// Encodes and decodes what travels opaque through the runtime.
#include "protocol/payload.hpp"

#include <bit>
#include <cstring>

#include <fmt/format.h>

namespace fastptm::protocol {

static_assert(std::endian::native == std::endian::little, "payloads are little-endian and copied as they are");

namespace {

struct input_head {
  uint32_t count = 0;
  uint32_t unpooled = 0;
};

void append(payload& to, const void* from, size_t size_bytes) {
  const auto* bytes = static_cast<const unsigned char*>(from);
  to.bytes.insert(to.bytes.end(), bytes, bytes + size_bytes);
}

} // namespace

payload encode_input(std::span<const int32_t> ids, std::span<const int32_t> token_types, uint32_t unpooled) {
  payload encoded;
  const input_head head{static_cast<uint32_t>(ids.size()), unpooled};
  encoded.bytes.reserve(sizeof head + ids.size_bytes() + token_types.size_bytes());
  append(encoded, &head, sizeof head);
  append(encoded, ids.data(), ids.size_bytes());
  append(encoded, token_types.data(), token_types.size_bytes());
  return encoded;
}

core::result<decoded_input> decode_input(const payload& from) {
  input_head head;
  if (from.bytes.size() < sizeof head) return core::fail(core::errc::invalid, "input: shorter than its head");
  std::memcpy(&head, from.bytes.data(), sizeof head);
  const auto rest = from.bytes.size() - sizeof head, ids_bytes = size_t{head.count} * sizeof(int32_t);
  if (rest != ids_bytes && rest != 2 * ids_bytes)
    return core::fail(core::errc::invalid, fmt::format("input: {} ids announced, {} bytes follow", head.count, rest));
  decoded_input decoded;
  decoded.unpooled = head.unpooled;
  if (head.count == 0) return decoded; // an empty vector has no address to copy to
  decoded.ids.resize(head.count);
  std::memcpy(decoded.ids.data(), from.bytes.data() + sizeof head, ids_bytes);
  if (rest == ids_bytes) return decoded;
  decoded.token_types.resize(head.count);
  std::memcpy(decoded.token_types.data(), from.bytes.data() + sizeof head + ids_bytes, ids_bytes);
  return decoded;
}

payload encode_output(std::span<const float> values) {
  return to_payload(std::as_bytes(values));
}

core::result<std::vector<float>> decode_output(const payload& from) {
  if (from.bytes.size() % sizeof(float) != 0)
    return core::fail(core::errc::invalid, fmt::format("output: {} bytes are no whole f32 values", from.bytes.size()));
  std::vector<float> values(from.bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), from.bytes.data(), from.bytes.size());
  return values;
}

payload to_payload(std::span<const std::byte> bytes) {
  const auto* first = reinterpret_cast<const unsigned char*>(bytes.data());
  return {{first, first + bytes.size()}};
}

std::span<const std::byte> as_bytes(const payload& from) {
  return std::as_bytes(std::span(from.bytes));
}

} // namespace fastptm::protocol
