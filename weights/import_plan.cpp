// Checks a checkpoint against its architecture and says which tensor goes where.
#include "weights/import_plan.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <sys/stat.h>

#include <fmt/format.h>

#include "core/log.hpp"
#include "weights/bert_names.hpp"
#include "weights/checkpoint.hpp"
#include "weights/model_card.hpp"
#include "weights/model_config.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;

constexpr uint64_t element_bytes = 4;

std::optional<source_dtype> dtype_of(std::string_view name) {
  if (name == "F32") return source_dtype::f32;
  if (name == "F16") return source_dtype::f16;
  if (name == "BF16") return source_dtype::bf16;
  return std::nullopt;
}

tl::unexpected<core::error> fail_tensor(std::string_view name, std::string_view why) {
  return core::fail(core::errc::invalid, fmt::format("tensor '{}' {}", core::printable(name, 120), why));
}

// Takes the tensors of the layout out of the checkpoint, one by one; what is left over at the end has no place.
class tensor_matcher {
public:
  tensor_matcher(const checkpoint& from, const model_config& config)
      : from_(from), config_(config),
        prefix_(from.tensors.contains(std::string(bert_prefix) + "embeddings.word_embeddings.weight") ? bert_prefix
                                                                                                      : "") {}

  // Which parts beyond the encoder the checkpoint has.
  task task_of(const model_card& card) const {
    task job{.kind = config_.kind};
    job.has_pooler = has(fmt::format("{}pooler.dense.weight", prefix_)) || job.kind == task_kind::classify;
    job.max_tokens = card.max_tokens;
    if (job.kind == task_kind::classify) {
      const auto classifier = from_.tensors.find("classifier.weight");
      if (classifier != from_.tensors.end() && !classifier->second.facts.shape.empty()) {
        job.labels = static_cast<uint32_t>(std::min<uint64_t>(classifier->second.facts.shape.front(), max_labels + 1));
      }
    } else {
      job.pool = card.pool;
      job.normalize = card.normalize;
    }
    return job;
  }

  core::result<shard_import> match(shard_layout layout) {
    shard_import shard{std::move(layout), {}};
    for (const auto& slot : shard.layout.tensors) {
      const auto sources = bert_sources_of(shard.layout, slot, prefix_);
      std::vector<uint64_t> shape = slot.shape;
      shape.front() /= sources.size();
      const uint64_t part_bytes = slot.size_bytes / sources.size();
      for (size_t i = 0; i < sources.size(); ++i) {
        auto piece = match(sources[i], shape);
        if (!piece) return core::fail(piece.error());
        piece->target_offset_bytes = slot.offset_bytes + i * part_bytes;
        piece->element_count = part_bytes / element_bytes;
        shard.pieces.push_back(std::move(*piece));
      }
    }
    return shard;
  }

  core::result<void> refuse_left_over() const {
    for (const auto& [name, tensor] : from_.tensors) {
      if (used_.contains(name) || bert_is_buffer(name, prefix_)) continue;
      if (config_.has_pretraining_head && name.starts_with("cls.")) continue;
      return fail_tensor(name, fmt::format("in {} is unexpected: config.json describes no such tensor",
                                           from_.files[tensor.file].what()));
    }
    return {};
  }

private:
  bool has(std::string_view name) const { return from_.tensors.find(name) != from_.tensors.end(); }

  core::result<tensor_piece> match(const std::string& name, const std::vector<uint64_t>& shape) {
    auto at = from_.tensors.find(name);
    if (at == from_.tensors.end()) {
      if (const auto old = bert_old_name_of(name); !old.empty()) at = from_.tensors.find(old);
    }
    if (at == from_.tensors.end()) return fail_tensor(name, "is missing from the checkpoint");
    const auto& facts = at->second.facts;
    if (facts.shape != shape) {
      return fail_tensor(at->first, fmt::format("has shape {}, expected {} by config.json", shape_text(facts.shape),
                                                shape_text(shape)));
    }
    const auto dtype = dtype_of(facts.dtype);
    if (!dtype) return fail_tensor(at->first, fmt::format("has dtype {}, expected F32, F16 or BF16", facts.dtype));
    used_.insert(at->first);
    return tensor_piece{.name = core::printable(at->first, 120),
                        .file = at->second.file,
                        .dtype = *dtype,
                        .source_offset_bytes = facts.offset_bytes};
  }

  const checkpoint& from_;
  const model_config& config_;
  const std::string_view prefix_;
  std::set<std::string, std::less<>> used_;
};

core::result<void> require_folder(const fs::path& folder) {
  const std::string name = core::printable(folder.string(), 200);
  struct stat facts {};
  if (::stat(folder.c_str(), &facts) != 0)
    return core::fail(core::from_errno(errno, name + ": cannot open the model folder"));
  if (S_ISDIR(facts.st_mode)) return {};
  return core::fail(core::errc::invalid,
                    name + ": not a folder; a model is a folder with config.json and model.safetensors");
}

// The files beside the checkpoint that belong to the model, those of the tokenizer among them.
core::result<void> add_uploads(const fs::path& folder, std::vector<std::string> names,
                               std::vector<folder_file>& uploads) {
  for (const std::string_view name : {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
                                      "special_tokens_map.json", "added_tokens.json"}) {
    if (name_exists(folder / name)) names.emplace_back(name);
  }
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  for (auto& name : names) {
    const auto file = regular_file::open(folder / name, name);
    if (!file) return core::fail(file.error());
    uploads.push_back({std::move(name), file->size_bytes()});
  }
  return {};
}

core::result<void> check_task(const model_config& config, const task& job) {
  if (auto ok = validate(config.arch, job); !ok) return core::fail("config.json and checkpoint", ok.error());
  if (job.kind == task_kind::classify && config.label_count && *config.label_count != job.labels) {
    return core::fail(core::errc::invalid,
                      fmt::format("config.json: id2label has {} names, but classifier.weight has {} rows",
                                  *config.label_count, job.labels));
  }
  return {};
}

core::result<import_plan> make_plan(checkpoint from, const model_config& config, const model_card& card) {
  tensor_matcher matcher(from, config);
  import_plan plan;
  plan.arch = config.arch;
  plan.job = matcher.task_of(card);
  if (config.kind == task_kind::classify && plan.job.labels == 0) {
    return fail_tensor("classifier.weight", "is missing from the checkpoint");
  }
  if (auto ok = check_task(config, plan.job); !ok) return core::fail(ok.error());
  for (auto& layout : layout_of(plan.arch, plan.job)) {
    auto shard = matcher.match(std::move(layout));
    if (!shard) return core::fail(shard.error());
    plan.shards.push_back(std::move(*shard));
  }
  if (auto ok = matcher.refuse_left_over(); !ok) return core::fail(ok.error());
  plan.files = std::move(from.files);
  plan.uploads = std::move(from.uploads);
  return plan;
}

} // namespace

uint64_t import_plan::total_bytes() const {
  uint64_t sum = 0;
  for (const auto& shard : shards) sum += shard.layout.size_bytes;
  return sum;
}

core::result<import_plan> inspect(const fs::path& folder, const tokenizer_check& check_tokenizer) {
  if (auto ok = require_folder(folder); !ok) return core::fail(ok.error());
  const auto text = read_small_file(folder / "config.json", "config.json", max_config_bytes);
  if (!text) return core::fail(text.error());
  const auto config = parse_model_config(*text);
  if (!config) return core::fail(config.error());
  auto from = open_checkpoint(folder);
  if (!from) return core::fail(from.error());
  const auto card = read_model_card(folder, config->arch);
  if (!card) return core::fail(card.error());
  auto plan = make_plan(std::move(*from), *config, *card);
  if (!plan) return core::fail(plan.error());
  if (check_tokenizer) {
    if (auto ok = check_tokenizer(folder, plan->arch); !ok) return core::fail(ok.error());
  }
  if (auto ok = add_uploads(folder, card->files, plan->uploads); !ok) return core::fail(ok.error());
  return plan;
}

} // namespace fastptm::weights
