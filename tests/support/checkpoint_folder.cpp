// Writes the format by hand.
#include "tests/support/checkpoint_folder.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/random.hpp"
#include "tests/support/temporary_folder.hpp"

namespace fastptm::tests {

namespace {

class tensor_maker {
public:
  tensor_maker(tensor_list& to, uint64_t seed) : to_(to), random_(seed) {}

  void add(std::string name, std::vector<uint64_t> shape) {
    uint64_t count = 1;
    for (const uint64_t d : shape) count *= d;
    std::vector<float> values(count);
    for (float& v : values) v = static_cast<float>(random_.unit() - 0.5);
    to_.emplace_back(std::move(name), f32_tensor(std::move(shape), values));
  }
  void add_linear(const std::string& name, uint64_t out, uint64_t in) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  }
  void add_norm(const std::string& name, bool old_names) {
    add(name + (old_names ? ".gamma" : ".weight"), {checkpoint_folder::hidden});
    add(name + (old_names ? ".beta" : ".bias"), {checkpoint_folder::hidden});
  }

private:
  tensor_list& to_;
  core::prng random_;
};

void add_bert(tensor_list& to, const bert_options& options) {
  constexpr uint64_t hidden = checkpoint_folder::hidden;
  tensor_maker make(to, options.seed);
  const std::string& p = options.prefix;
  make.add(p + "embeddings.word_embeddings.weight", {checkpoint_folder::vocabulary, hidden});
  make.add(p + "embeddings.position_embeddings.weight", {checkpoint_folder::positions, hidden});
  make.add(p + "embeddings.token_type_embeddings.weight", {2, hidden});
  make.add_norm(p + "embeddings.LayerNorm", options.old_names);
  for (uint64_t i = 0; i < checkpoint_folder::layers; ++i) {
    const std::string layer = fmt::format("{}encoder.layer.{}.", p, i);
    for (const char* part : {"query", "key", "value"})
      make.add_linear(layer + "attention.self." + part, hidden, hidden);
    make.add_linear(layer + "attention.output.dense", hidden, hidden);
    make.add_norm(layer + "attention.output.LayerNorm", options.old_names);
    make.add_linear(layer + "intermediate.dense", checkpoint_folder::intermediate, hidden);
    make.add_linear(layer + "output.dense", hidden, checkpoint_folder::intermediate);
    make.add_norm(layer + "output.LayerNorm", options.old_names);
  }
  if (options.pooler) make.add_linear(p + "pooler.dense", hidden, hidden);
  if (options.labels) make.add_linear("classifier", options.labels, hidden);
}

} // namespace

checkpoint_tensor f32_tensor(std::vector<uint64_t> shape, const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return {"F32", std::move(shape), std::move(bytes)};
}

checkpoint_folder::checkpoint_folder(std::filesystem::path folder, const bert_options& options)
    : folder_(std::move(folder)) {
  config = {{"model_type", R"("bert")"},
            {"architectures", options.labels ? R"(["BertForSequenceClassification"])" : R"(["BertModel"])"},
            {"hidden_size", std::to_string(hidden)},
            {"num_hidden_layers", std::to_string(layers)},
            {"num_attention_heads", std::to_string(heads)},
            {"intermediate_size", std::to_string(intermediate)},
            {"vocab_size", std::to_string(vocabulary)},
            {"max_position_embeddings", std::to_string(positions)},
            {"type_vocab_size", "2"},
            {"hidden_act", R"("gelu")"},
            {"layer_norm_eps", "1e-12"}};
  add_bert(tensors, options);
}

checkpoint_tensor& checkpoint_folder::at(std::string_view name) {
  const auto found = std::ranges::find(tensors, name, &tensor_list::value_type::first);
  if (found == tensors.end()) throw std::out_of_range(std::string(name));
  return found->second;
}

void checkpoint_folder::remove(std::string_view name) {
  std::erase_if(tensors, [&](const auto& tensor) { return tensor.first == name; });
}

std::vector<float> checkpoint_folder::values(std::string_view name) {
  const auto& bytes = at(name).bytes;
  std::vector<float> read(bytes.size() / sizeof(float));
  std::memcpy(read.data(), bytes.data(), bytes.size());
  return read;
}

void checkpoint_folder::write_config() const {
  std::string text;
  for (const auto& [key, value] : config) text += fmt::format("{}\"{}\": {}", text.empty() ? "" : ", ", key, value);
  write_file(folder_ / "config.json", "{" + text + "}");
}

void checkpoint_folder::write() const {
  write_config();
  write_file(folder_ / "model.safetensors", safetensors_bytes(tensors));
}

std::vector<header_entry> header_of(const tensor_list& tensors) {
  std::vector<header_entry> entries;
  uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    entries.push_back({name,
                       {{"dtype", fmt::format("\"{}\"", tensor.dtype)},
                        {"shape", fmt::format("[{}]", fmt::join(tensor.shape, ","))},
                        {"data_offsets", fmt::format("[{},{}]", at, at + tensor.bytes.size())}}});
    at += tensor.bytes.size();
  }
  return entries;
}

std::string header_text(const std::vector<header_entry>& entries) {
  std::string text;
  for (const auto& entry : entries) {
    std::string fields;
    for (const auto& [field, value] : entry.fields)
      fields += fmt::format("{}\"{}\":{}", fields.empty() ? "" : ",", field, value);
    text += fmt::format("{}\"{}\":{{{}}}", text.empty() ? "" : ",", entry.name, fields);
  }
  return "{" + text + "}";
}

std::string data_of(const tensor_list& tensors) {
  std::string data;
  for (const auto& [name, tensor] : tensors) data += tensor.bytes;
  return data;
}

std::string safetensors_bytes(uint64_t length, std::string_view header, std::string_view data) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes.append(header).append(data);
}

std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return safetensors_bytes(header.size(), header, data);
}

std::string safetensors_bytes(const tensor_list& tensors) {
  return safetensors_bytes(header_text(header_of(tensors)), data_of(tensors));
}

} // namespace fastptm::tests
