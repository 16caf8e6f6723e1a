// The checks follow the format's own reader; limits of ours are stricter.
// That reader is in the README and tensor.rs of huggingface/safetensors.
#include "weights/import/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/json.hpp"
#include "core/log.hpp"
#include "core/units.hpp"

namespace fastptm::weights {

namespace {

constexpr uint64_t length_prefix_bytes = 8;
constexpr std::string_view metadata_key = "__metadata__";

std::optional<uint64_t> bits_of(std::string_view dtype) {
  constexpr std::array<std::pair<std::string_view, uint64_t>, 22> table{
      {{"BOOL", 8},    {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},    {"F8_E4M3", 8}, {"F8_E8M0", 8},
       {"I16", 16},    {"U16", 16},    {"F16", 16},        {"BF16", 16},      {"I32", 32},    {"U32", 32},
       {"F32", 32},    {"F64", 64},    {"I64", 64},        {"U64", 64},       {"C64", 64},    {"F4", 4},
       {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}}};
  const auto at = std::ranges::find(table, dtype, &std::pair<std::string_view, uint64_t>::first);
  if (at == table.end()) return std::nullopt;
  return at->second;
}

// The bytes of shape x dtype; nothing when they overflow or are no whole number.
std::optional<uint64_t> bytes_of(std::span<const uint64_t> shape, uint64_t bits) {
  uint64_t product = bits;
  // A zero later does not excuse an overflow before it: the order of dimensions must not decide.
  bool is_empty = false;
  for (const uint64_t dimension : shape) {
    if (dimension == 0)
      is_empty = true;
    else if (__builtin_mul_overflow(product, dimension, &product))
      return std::nullopt;
  }
  if (product % 8 != 0) return std::nullopt;
  return is_empty ? 0 : product / 8;
}

// Checks one file's header, tensor by tensor.
class header_reader {
public:
  header_reader(const regular_file& file, uint64_t data_at) : file_(file), data_at_(data_at) {}

  core::result<std::vector<safetensor>> read(std::string_view text) {
    const std::string what = file_.what() + ": header";
    auto header = core::parse_json(text, what, {.size_bytes = max_safetensors_header_bytes});
    if (!header) return core::fail(header.error());
    const auto* entries = header->object();
    if (!entries) return fail("the JSON is no object");
    if (entries->size() > max_safetensors_tensors + 1) return fail(too_many());
    for (const auto& [name, entry] : *entries) {
      auto ok = name == metadata_key ? check_metadata(entry) : add(name, entry);
      if (!ok) return core::fail(ok.error());
    }
    if (tensors_.size() > max_safetensors_tensors) return fail(too_many());
    return place();
  }

private:
  tl::unexpected<core::error> fail(std::string_view why) const {
    return core::fail(core::errc::invalid, fmt::format("{}: header: {}", file_.what(), why));
  }
  tl::unexpected<core::error> fail(std::string_view name, std::string_view why) const {
    return core::fail(core::errc::invalid,
                      fmt::format("{}: tensor '{}': {}", file_.what(), core::printable(name, 120), why));
  }
  static std::string too_many() { return fmt::format("too many tensors: the limit is {}", max_safetensors_tensors); }

  core::result<void> check_metadata(const core::json_value& entry) const {
    const auto* pairs = entry.object();
    if (!pairs) return fail(fmt::format("{} is {}, expected an object of strings", metadata_key, entry.kind()));
    for (const auto& [key, value] : *pairs) {
      if (!value.string()) {
        return fail(
            fmt::format("{}: '{}' is {}, expected a string", metadata_key, core::printable(key, 80), value.kind()));
      }
    }
    return {};
  }

  core::result<void> add(const std::string& name, const core::json_value& entry) {
    if (name.empty() || name.size() > max_safetensors_name_bytes) {
      return fail(name, fmt::format("a name of {} bytes, expected 1 to {}", name.size(), max_safetensors_name_bytes));
    }
    const auto* fields = entry.object();
    if (!fields) return fail(name, fmt::format("its entry is {}, expected an object", entry.kind()));
    for (const auto& [field, value] : *fields) {
      if (field != "dtype" && field != "shape" && field != "data_offsets") {
        return fail(name, fmt::format("unknown field '{}'", core::printable(field, 80)));
      }
    }
    safetensor tensor;
    tensor.name = name;
    auto ok = read_dtype(entry, tensor).and_then([&] { return read_shape(entry, tensor); }).and_then([&] {
      return read_offsets(entry, tensor);
    });
    if (!ok) return ok;
    tensors_.push_back(std::move(tensor));
    return {};
  }

  core::result<void> read_dtype(const core::json_value& entry, safetensor& tensor) const {
    const auto* field = entry.find("dtype");
    if (!field) return fail(tensor.name, "the field dtype is missing");
    if (!field->string()) return fail(tensor.name, fmt::format("dtype is {}, expected a string", field->kind()));
    tensor.dtype = *field->string();
    if (!bits_of(tensor.dtype))
      return fail(tensor.name, fmt::format("unknown dtype '{}'", core::printable(tensor.dtype, 40)));
    return {};
  }

  core::result<void> read_shape(const core::json_value& entry, safetensor& tensor) const {
    const auto* field = entry.find("shape");
    if (!field) return fail(tensor.name, "the field shape is missing");
    auto numbers = read_numbers(tensor.name, "shape", *field);
    if (!numbers) return core::fail(numbers.error());
    if (numbers->size() > max_safetensors_rank) {
      return fail(tensor.name, fmt::format("a shape of {} dimensions, more than the limit of {}", numbers->size(),
                                           max_safetensors_rank));
    }
    tensor.shape = std::move(*numbers);
    const auto size_bytes = bytes_of(tensor.shape, *bits_of(tensor.dtype));
    if (!size_bytes) {
      return fail(tensor.name, fmt::format("shape {} of {} overflows or has no whole number of bytes",
                                           shape_text(tensor.shape), tensor.dtype));
    }
    tensor.size_bytes = *size_bytes;
    return {};
  }

  core::result<void> read_offsets(const core::json_value& entry, safetensor& tensor) const {
    const auto* field = entry.find("data_offsets");
    if (!field) return fail(tensor.name, "the field data_offsets is missing");
    const auto numbers = read_numbers(tensor.name, "data_offsets", *field);
    if (!numbers) return core::fail(numbers.error());
    if (numbers->size() != 2) return fail(tensor.name, fmt::format("{} data_offsets, expected two", numbers->size()));
    const uint64_t begin = numbers->front(), end = numbers->back();
    if (begin > end) return fail(tensor.name, fmt::format("data_offsets go backwards, from {} to {}", begin, end));
    if (end > file_.size_bytes() - data_at_) {
      return fail(tensor.name, fmt::format("data_offsets end at {}, beyond the {} bytes of data in the file", end,
                                           file_.size_bytes() - data_at_));
    }
    if (end - begin != tensor.size_bytes) {
      return fail(tensor.name, fmt::format("data_offsets span {} bytes, but shape {} of {} has a size of {}",
                                           end - begin, shape_text(tensor.shape), tensor.dtype, tensor.size_bytes));
    }
    tensor.offset_bytes = data_at_ + begin;
    return {};
  }

  core::result<std::vector<uint64_t>> read_numbers(std::string_view name, std::string_view field,
                                                   const core::json_value& value) const {
    const auto* list = value.array();
    if (!list) return fail(name, fmt::format("{} is {}, expected a list of integers", field, value.kind()));
    std::vector<uint64_t> numbers;
    for (const auto& element : *list) {
      const auto number = element.unsigned_integer();
      if (!number)
        return fail(name, fmt::format("{} holds {} where a non-negative integer belongs", field, element.kind()));
      numbers.push_back(*number);
    }
    return numbers;
  }

  // Sorts by offset; the data must be covered exactly once.
  core::result<std::vector<safetensor>> place() {
    std::ranges::sort(tensors_, {}, [](const safetensor& t) { return std::pair(t.offset_bytes, t.size_bytes); });
    uint64_t at = data_at_;
    for (const auto& tensor : tensors_) {
      if (tensor.offset_bytes != at) {
        return fail(tensor.name,
                    fmt::format("data_offsets leave {} before it", tensor.offset_bytes > at ? "a hole" : "an overlap"));
      }
      at += tensor.size_bytes;
    }
    if (at != file_.size_bytes()) {
      return core::fail(core::errc::invalid, fmt::format("{}: {} bytes after the end of the last tensor", file_.what(),
                                                         file_.size_bytes() - at));
    }
    return std::move(tensors_);
  }

  const regular_file& file_;
  const uint64_t data_at_;
  std::vector<safetensor> tensors_;
};

} // namespace

core::result<std::vector<safetensor>> read_safetensors_header(const regular_file& file) {
  const auto fail = [&](std::string_view why) {
    return core::fail(core::errc::invalid, fmt::format("{}: {}", file.what(), why));
  };
  if (file.size_bytes() < length_prefix_bytes) {
    return fail(fmt::format("a file of {} bytes is too short for the header's length", file.size_bytes()));
  }
  uint64_t length = 0;
  if (auto ok = file.read_at(0, std::as_writable_bytes(std::span(&length, 1))); !ok) return core::fail(ok.error());
  if (length > max_safetensors_header_bytes) {
    return fail(fmt::format("a header of {} bytes exceeds the limit of {}", length, max_safetensors_header_bytes));
  }
  if (length > file.size_bytes() - length_prefix_bytes) {
    return fail(fmt::format("a header of {} bytes ends beyond the file's {}", length, file.size_bytes()));
  }
  if (length < 2) return fail(fmt::format("a header length of {} is too short for an object", length));
  std::string text(length, '\0');
  if (auto ok = file.read_at(length_prefix_bytes, std::as_writable_bytes(std::span(text))); !ok)
    return core::fail(ok.error());
  if (text.front() != '{') return fail("the header does not start with '{'");
  return header_reader(file, length_prefix_bytes + length).read(text);
}

std::string make_safetensors_header(std::span<const safetensor_source> tensors) {
  std::string text = R"({"__metadata__":{"format":"pt"})";
  uint64_t at = 0;
  for (const auto& tensor : tensors) {
    text += fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", tensor.name, tensor.dtype,
                        fmt::join(tensor.shape, ","), at, at + tensor.size_bytes);
    at += tensor.size_bytes;
  }
  text += '}';
  text.resize(core::round_up(text.size(), 8), ' ');
  const uint64_t length = text.size();
  std::string prefix(sizeof length, '\0');
  std::memcpy(prefix.data(), &length, sizeof length);
  return prefix + text;
}

std::string shape_text(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

} // namespace fastptm::weights
