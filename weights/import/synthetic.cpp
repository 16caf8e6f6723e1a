// Values as a freshly initialised BERT has them: weights of deviation 0.02, norms near 1.
#include "weights/import/synthetic.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "core/log.hpp"
#include "models/bert/names.hpp"
#include "models/encoder/layout.hpp"
#include "weights/import/safetensors.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;

constexpr size_t write_elements = 1 << 20;
constexpr float weight_deviation = 0.02f;
constexpr float norm_deviation = 0.05f;

// One file, written from its start; the first failure stays.
class file_writer {
public:
  explicit file_writer(const fs::path& path) : path_(path), out_(path, std::ios::binary | std::ios::trunc) {}

  void write(std::string_view text) { out_.write(text.data(), static_cast<std::streamsize>(text.size())); }

  core::result<void> finish() {
    out_.close();
    if (out_) return {};
    return core::fail(core::from_errno(errno, core::printable(path_.string(), 200) + ": cannot write"));
  }

private:
  const fs::path path_;
  std::ofstream out_;
};

models::encoder::config config_of(const synthetic_shape& shape) {
  models::encoder::config made;
  made.hidden = shape.hidden;
  made.layers = shape.layers;
  made.heads = shape.heads;
  made.intermediate = shape.intermediate;
  made.vocabulary = shape.vocabulary;
  made.positions = shape.positions;
  made.token_types = 2;
  return made;
}

models::task task_of(const synthetic_shape& shape) {
  models::task job;
  job.kind = shape.labels ? models::task_kind::classify : models::task_kind::embed;
  job.has_pooler = true;
  job.labels = shape.labels;
  job.max_tokens = shape.positions;
  return job;
}

std::string config_text(const synthetic_shape& shape) {
  std::string labels;
  for (uint32_t i = 0; i < shape.labels; ++i) labels += fmt::format(R"({}"{}": "LABEL_{}")", i ? ", " : "", i, i);
  return fmt::format(R"({{
  "architectures": ["{}"],
  "hidden_act": "gelu",
  "hidden_size": {},
  "id2label": {},
  "intermediate_size": {},
  "layer_norm_eps": 1e-12,
  "max_position_embeddings": {},
  "model_type": "bert",
  "num_attention_heads": {},
  "num_hidden_layers": {},
  "pad_token_id": 0,
  "type_vocab_size": 2,
  "vocab_size": {}
}}
)",
                     shape.labels ? "BertForSequenceClassification" : "BertModel", shape.hidden,
                     shape.labels ? "{" + labels + "}" : "null", shape.intermediate, shape.positions, shape.heads,
                     shape.layers, shape.vocabulary);
}

// Special tokens at their usual places, then every printable ASCII character as a word's first and as a later one.
std::string vocabulary_text(uint32_t size) {
  std::vector<std::string> tokens;
  tokens.reserve(size);
  for (uint32_t i = 0; i < size; ++i) tokens.push_back(fmt::format("[unused{}]", i));
  const bool is_usual = size >= 512;
  const uint32_t special = is_usual ? 100 : 1;
  tokens[0] = "[PAD]";
  constexpr std::string_view names[] = {"[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (size_t i = 0; i < std::size(names); ++i) tokens[special + i] = names[i];
  size_t next = special + std::size(names);
  for (const std::string_view prefix : {"", "##"}) {
    for (char c = '!'; c <= '~' && next < tokens.size(); ++c) {
      if (c < 'A' || c > 'Z') tokens[next++] = fmt::format("{}{}", prefix, c);
    }
  }
  std::string text;
  for (const auto& token : tokens) text += token + '\n';
  return text;
}

// The tensors of the checkpoint in the order of our layout.
std::vector<safetensor_source> tensors_of(const synthetic_shape& shape) {
  std::vector<safetensor_source> tensors;
  const models::bert::names tensors_named;
  const std::string_view prefix = shape.labels ? tensors_named.prefix() : "";
  for (const auto& shard : models::encoder::layout_of(config_of(shape), task_of(shape))) {
    for (const auto& slot : shard.tensors) {
      const auto names = tensors_named.sources_of(shard, slot, prefix);
      std::vector<uint64_t> part = slot.shape;
      part.front() /= names.size();
      for (const auto& name : names) tensors.push_back({name, "F32", part, slot.size_bytes / names.size()});
    }
  }
  return tensors;
}

void write_values(const safetensor_source& tensor, core::prng& random, std::vector<float>& buffer, file_writer& out) {
  const bool is_scale = tensor.name.ends_with("LayerNorm.weight");
  const float deviation = is_scale ? norm_deviation : weight_deviation;
  const float mean = is_scale ? 1.0f : 0.0f;
  for (uint64_t left = tensor.size_bytes / sizeof(float); left > 0;) {
    const size_t count = std::min<uint64_t>(left, buffer.size());
    for (size_t i = 0; i < count; ++i) buffer[i] = mean + deviation * nearly_normal(random);
    out.write({reinterpret_cast<const char*>(buffer.data()), count * sizeof(float)});
    left -= count;
  }
}

core::result<void> write_text(const fs::path& path, std::string_view text) {
  file_writer out(path);
  out.write(text);
  return out.finish();
}

core::result<void> write_tensors(const fs::path& path, const synthetic_shape& shape, uint64_t seed) {
  const auto tensors = tensors_of(shape);
  file_writer out(path);
  out.write(make_safetensors_header(tensors));
  core::prng random(seed);
  std::vector<float> buffer(write_elements);
  for (const auto& tensor : tensors) write_values(tensor, random, buffer, out);
  return out.finish();
}

} // namespace

float nearly_normal(core::prng& random) {
  const uint64_t bits = random.next();
  const auto sum = static_cast<int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
  constexpr float deviation = 37837.2f; // sqrt(4/12) * 2^16
  return static_cast<float>(sum - 2 * 0xffff) / deviation;
}

core::result<synthetic_shape> synthetic_shape_named(std::string_view name) {
  if (name == "bert-base") return synthetic_shape{768, 12, 12, 3072, 30522, 512, 0};
  if (name == "minilm") return synthetic_shape{384, 6, 12, 1536, 30522, 512, 0};
  if (name == "tiny") return synthetic_shape{32, 2, 4, 64, 256, 64, 0};
  return core::fail(core::errc::not_found, fmt::format("no synthetic model '{}': there are bert-base, minilm and tiny",
                                                       core::printable(name, 80)));
}

core::result<void> write_synthetic_model(const fs::path& folder, const synthetic_shape& shape, uint64_t seed) {
  if (auto ok = models::encoder::validate(config_of(shape)); !ok) return ok;
  if (shape.vocabulary < 256)
    return core::fail(core::errc::invalid, "a synthetic model needs a vocabulary of at least 256 tokens");
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed)
    return core::fail(
        core::from_errno(failed.value(), core::printable(folder.string(), 200) + ": cannot make the folder"));
  return write_text(folder / "config.json", config_text(shape))
      .and_then([&] { return write_text(folder / "vocab.txt", vocabulary_text(shape.vocabulary)); })
      .and_then([&] { return write_text(folder / "tokenizer_config.json", "{\"do_lower_case\": true}\n"); })
      .and_then([&] { return write_tensors(folder / "model.safetensors", shape, seed); });
}

} // namespace fastptm::weights
