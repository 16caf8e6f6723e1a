// Piece by piece; loops over blocks of fixed length, which compilers turn into vector code without being told.
#include "weights/import/image_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "core/check.hpp"

namespace fastptm::weights {

namespace {

constexpr uint64_t element_bytes = 4;
constexpr size_t block = 64;
constexpr uint32_t exponent = 0x7f800000; // all ones in NaN and infinity only

uint64_t source_element_bytes(source_dtype dtype) {
  return dtype == source_dtype::f32 ? 4 : 2;
}

// Half precision to single, exactly: the exponent is corrected by a multiplication that rounds nothing.
uint32_t widen_f16(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  const uint32_t special = magnitude >= 0x7c00u ? exponent : 0; // NaN and infinity stay what they are
  return sign | special | std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f);
}

uint32_t widen_bf16(uint16_t half) {
  return uint32_t{half} << 16;
}

template <class Widen> void widen(std::span<const uint16_t> from, uint32_t* to, Widen widen_one) {
  size_t i = 0;
  for (; i + block <= from.size(); i += block) {
    for (size_t j = 0; j < block; ++j) to[i + j] = widen_one(from[i + j]);
  }
  for (; i < from.size(); ++i) to[i] = widen_one(from[i]);
}

bool all_finite(std::span<const uint32_t> values) {
  uint32_t found = 0;
  size_t i = 0;
  for (; i + block <= values.size(); i += block) {
    for (size_t j = 0; j < block; ++j) found |= (values[i + j] & exponent) == exponent;
  }
  for (; i < values.size(); ++i) found |= (values[i] & exponent) == exponent;
  return !found;
}

core::result<void> read_elements(const regular_file& file, const tensor_piece& piece, uint64_t first,
                                 std::span<uint32_t> target) {
  const uint64_t at = piece.source_offset_bytes + first * source_element_bytes(piece.dtype);
  if (piece.dtype == source_dtype::f32) return file.read_at(at, std::as_writable_bytes(target));
  std::vector<uint16_t> halves(target.size());
  if (auto ok = file.read_at(at, std::as_writable_bytes(std::span(halves))); !ok) return ok;
  if (piece.dtype == source_dtype::f16)
    widen(halves, target.data(), widen_f16);
  else
    widen(halves, target.data(), widen_bf16);
  return {};
}

} // namespace

core::result<void> read_image(const import_plan& plan, const shard_import& shard, uint64_t offset_bytes,
                              std::span<std::byte> target) {
  core::check(offset_bytes % element_bytes == 0 && target.size() % element_bytes == 0 &&
                  offset_bytes + target.size() <= shard.layout.size_bytes,
              "a part of an image consists of whole elements of its shard");
  uint64_t at = offset_bytes; // up to here the target is filled
  const uint64_t end = offset_bytes + target.size();
  for (const auto& piece : shard.pieces) {
    const uint64_t begin_of_piece = std::max(piece.target_offset_bytes, at);
    const uint64_t end_of_piece = std::min(piece.target_offset_bytes + piece.element_count * element_bytes, end);
    if (begin_of_piece >= end_of_piece) continue;
    std::memset(target.data() + (at - offset_bytes), 0, begin_of_piece - at);
    const std::span values(reinterpret_cast<uint32_t*>(target.data() + (begin_of_piece - offset_bytes)),
                           (end_of_piece - begin_of_piece) / element_bytes);
    const uint64_t first = (begin_of_piece - piece.target_offset_bytes) / element_bytes;
    if (auto ok = read_elements(plan.files[piece.file], piece, first, values); !ok) return ok;
    if (!all_finite(values)) {
      return core::fail(core::errc::invalid,
                        fmt::format("{}: tensor '{}' holds a NaN or an infinity; only finite weights are served",
                                    plan.files[piece.file].what(), piece.name));
    }
    at = end_of_piece;
  }
  std::memset(target.data() + (at - offset_bytes), 0, end - at);
  return {};
}

} // namespace fastptm::weights
