// A small BERT as a Hugging Face folder whose every part a test can change before it is written.
// Its writer shares no code with the product's reader.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fastptm::tests {

struct checkpoint_tensor {
  std::string dtype;
  std::vector<uint64_t> shape;
  std::string bytes;
};

// name -> tensor, in the order of the data
using tensor_list = std::vector<std::pair<std::string, checkpoint_tensor>>;

// One entry of a safetensors header; values are JSON text, so that they can be anything.
struct header_entry {
  std::string name;
  std::map<std::string, std::string> fields;
};

struct bert_options {
  uint64_t seed = 1;
  std::string prefix = {}; // "bert." for models with a task head
  bool pooler = true;
  uint64_t labels = 0;    // > 0: a classifier
  bool old_names = false; // LayerNorm.gamma and beta
};

class checkpoint_folder {
public:
  static constexpr uint64_t hidden = 16, layers = 2, heads = 4, intermediate = 32, vocabulary = 64, positions = 32;

  checkpoint_folder(std::filesystem::path folder, const bert_options& options = {});

  std::map<std::string, std::string> config; // key -> JSON text
  tensor_list tensors;

  checkpoint_tensor& at(std::string_view name);
  void remove(std::string_view name);
  std::vector<float> values(std::string_view name);

  const std::filesystem::path& path() const { return folder_; }
  // config.json and model.safetensors.
  void write() const;
  void write_config() const;

private:
  std::filesystem::path folder_;
};

checkpoint_tensor f32_tensor(std::vector<uint64_t> shape, const std::vector<float>& values);

std::vector<header_entry> header_of(const tensor_list& tensors);
std::string header_text(const std::vector<header_entry>& entries);
std::string data_of(const tensor_list& tensors);
// Length, header, data: whatever they are.
std::string safetensors_bytes(uint64_t length, std::string_view header, std::string_view data);
std::string safetensors_bytes(std::string_view header, std::string_view data);
std::string safetensors_bytes(const tensor_list& tensors);

} // namespace fastptm::tests
