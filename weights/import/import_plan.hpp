// How a Hugging Face folder becomes shards: found out from names, headers and config.json; no weight is read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "models/architecture.hpp"
#include "models/layout.hpp"
#include "weights/format/usage.hpp"
#include "weights/import/regular_file.hpp"

namespace fastptm::weights {

// The element types that are accepted; everything becomes fp32.
enum class source_dtype : uint8_t { f32, f16, bf16 };

// One tensor of the checkpoint and the part of a shard that it fills.
struct tensor_piece {
  std::string name; // in the checkpoint, for messages
  size_t file = 0;  // index into import_plan::files
  source_dtype dtype = source_dtype::f32;
  uint64_t source_offset_bytes = 0;
  uint64_t target_offset_bytes = 0; // in the shard
  uint64_t element_count = 0;
};

struct shard_import {
  models::shard_layout layout;
  std::vector<tensor_piece> pieces; // by target offset; what lies between is zero
};

// A file that belongs to the model: what a client has to send.
struct folder_file {
  std::string path; // relative to the model's folder, at most one folder deep
  uint64_t size_bytes = 0;
};

struct import_plan {
  models::architecture arch;
  models::model_facts facts;
  models::task job;
  usage how;
  std::string transformer_folder;   // below the model's folder, usually empty: where config.json and the tokenizer are
  std::vector<shard_import> shards; // as models::layout_of(arch, job)
  std::vector<regular_file> files;  // the opened checkpoint
  std::vector<folder_file> uploads;
  std::vector<std::string> notes; // for people: what the folder has and serving leaves out

  uint64_t total_bytes() const;
};

// Whether the tokenizer in a folder suits a model of so many token ids; weights/ does not know tokenizers.
using tokenizer_check = std::function<core::result<void>(const std::filesystem::path& folder, uint32_t vocabulary)>;

// Everything that can be checked without reading the data, in little memory and time however large or hostile the files
// are: config.json, the headers against the architecture (exact names, dtypes, shapes), pooling, prompts, labels,
// tokenizer (if a check is given). errc::invalid or not_found with one line
// that names the file and what is wrong with it.
core::result<import_plan> inspect(const std::filesystem::path& folder, const tokenizer_check& check_tokenizer = {});

} // namespace fastptm::weights
