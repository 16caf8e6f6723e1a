// Checks a checkpoint against its architecture and says which tensor goes where.
#include "weights/import/import_plan.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.hpp"
#include "core/log.hpp"
#include "models/registry.hpp"
#include "weights/import/checkpoint.hpp"
#include "weights/import/folder_advice.hpp"
#include "weights/import/labels.hpp"
#include "weights/import/model_card.hpp"
#include "weights/import/model_config.hpp"
#include "weights/import/module_list.hpp"

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
      : from_(from), config_(config), names_(config.family->names()), layouts_(layouts_with_head(config)),
        prefix_(prefix_of(layouts_.front())) {}

  // Files of 2018 do not say what they are, but their tensors do.
  core::result<void> check_family() const {
    if (config_.names_family || !prefix_.empty()) return {};
    return core::fail(core::errc::invalid,
                      fmt::format("config.json: model_type is missing, and the tensors' names do not tell the family: "
                                  "add \"model_type\": \"{}\" if it is one",
                                  config_.family->name()));
  }

  // Which parts beyond the encoder the checkpoint has.
  models::task task_of(const model_card& card) const {
    models::task job{.kind = config_.kind};
    job.has_pooler = has(first_source("pooler.weight")) || job.kind == models::task_kind::classify;
    job.max_tokens = card.max_tokens;
    if (job.kind == models::task_kind::classify) {
      const auto classifier = from_.tensors.find(first_source("classifier.weight"));
      if (classifier != from_.tensors.end() && !classifier->second.facts.shape.empty()) {
        job.labels =
            static_cast<uint32_t>(std::min<uint64_t>(classifier->second.facts.shape.front(), models::max_labels + 1));
      }
    } else {
      job.pool = card.pool;
      job.normalize = card.normalize;
    }
    return job;
  }

  core::result<shard_import> match(models::shard_layout layout) {
    shard_import shard{std::move(layout), {}};
    for (const auto& slot : shard.layout.tensors) {
      const auto sources = names_.sources_of(shard.layout, slot, prefix_);
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

  // What has no place in the layout: known heads are left out, anything else is refused. Call it last.
  core::result<std::vector<std::string>> left_out(bool leaves_classifier) const {
    std::vector<std::string> heads;
    for (const auto& [name, tensor] : from_.tensors) {
      if (used_.contains(name) || names_.is_buffer(name, prefix_)) continue;
      const bool is_classifier = names_.is_classifier(name);
      if (!names_.is_pretraining_head(name) && !(is_classifier && leaves_classifier))
        return fail_tensor(name, fmt::format("in {} is unexpected: config.json describes no such tensor{}",
                                             from_.files[tensor.file].what(),
                                             is_classifier ? "; `architectures` of a classifier names a "
                                                             "...ForSequenceClassification"
                                                           : ""));
      heads.push_back(name);
    }
    return heads;
  }

  // What the checkpoint calls the first tensor of a slot of the head.
  std::string first_source(std::string_view slot) const {
    const auto& head = layouts_.back();
    const auto* found = head.find(slot);
    core::check(found != nullptr, "a classifier's head has a pooler and a classifier");
    return names_.sources_of(head, *found, prefix_).front();
  }

private:
  // With every tensor that a head of the family may have.
  static std::vector<models::shard_layout> layouts_with_head(const model_config& config) {
    return models::layout_of(config.arch,
                             models::task{.kind = models::task_kind::classify, .has_pooler = true, .labels = 1});
  }

  std::string_view prefix_of(const models::shard_layout& embeddings) const {
    const auto prefix = names_.prefix();
    const auto first = names_.sources_of(embeddings, embeddings.tensors.front(), prefix).front();
    return has(first) ? prefix : "";
  }

  bool has(std::string_view name) const { return from_.tensors.find(name) != from_.tensors.end(); }

  core::result<tensor_piece> match(const std::string& name, const std::vector<uint64_t>& shape) {
    auto at = from_.tensors.find(name);
    if (at == from_.tensors.end()) {
      if (const auto old = names_.old_name_of(name); !old.empty()) at = from_.tensors.find(old);
    }
    if (at == from_.tensors.end()) return fail_tensor(name, "is missing from the checkpoint");
    const auto& facts = at->second.facts;
    if (facts.shape != shape) {
      return fail_tensor(at->first, fmt::format("has shape {}, expected {} by config.json{}", shape_text(facts.shape),
                                                shape_text(shape), defaults_text()));
    }
    const auto dtype = dtype_of(facts.dtype);
    if (!dtype) return fail_tensor(at->first, fmt::format("has dtype {}, expected F32, F16 or BF16", facts.dtype));
    used_.insert(at->first);
    return tensor_piece{.name = core::printable(at->first, 120),
                        .file = at->second.file,
                        .dtype = *dtype,
                        .source_offset_bytes = facts.offset_bytes};
  }

  std::string defaults_text() const {
    if (config_.defaults.empty()) return {};
    return fmt::format(", which leaves out (so the library's defaults count): {}", fmt::join(config_.defaults, ", "));
  }

  const checkpoint& from_;
  const model_config& config_;
  const models::tensor_names& names_;
  const std::vector<models::shard_layout> layouts_;
  const std::string_view prefix_;
  std::set<std::string, std::less<>> used_;
};

// A name in the folder of the transformer, relative to the model's.
std::string below(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

// The files that belong to the model: the checkpoint's, and those beside it, the tokenizer's among them.
core::result<void> add_uploads(const fs::path& folder, std::vector<std::string> names, import_plan& plan) {
  for (auto& file : plan.uploads) file.path = below(plan.transformer_folder, file.path);
  for (const std::string_view name : {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
                                      "special_tokens_map.json", "added_tokens.json"}) {
    const std::string path = below(plan.transformer_folder, name);
    if (name_exists(folder / path)) names.push_back(path);
  }
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  for (auto& name : names) {
    const auto file = regular_file::open(folder / name, name);
    if (!file) return core::fail(file.error());
    plan.uploads.push_back({std::move(name), file->size_bytes()});
  }
  return {};
}

core::result<void> check_task(const model_config& config, const models::task& job) {
  if (auto ok = models::describe(config.arch, job); !ok) return core::fail("config.json and checkpoint", ok.error());
  return {};
}

std::string note_on(const std::vector<std::string>& heads) {
  constexpr size_t most_named = 3;
  const size_t named = std::min(heads.size(), most_named);
  std::string names;
  for (size_t i = 0; i < named; ++i) names += fmt::format("{}{}", i == 0 ? "" : ", ", heads[i]);
  return fmt::format("{} tensors of heads that serving does not need are left out: {}{}", heads.size(), names,
                     heads.size() > named ? ", ..." : "");
}

core::result<void> fill_shards(const checkpoint& from, const model_config& config, const model_card& card,
                               bool leaves_classifier, import_plan& plan) {
  tensor_matcher matcher(from, config);
  if (auto ok = matcher.check_family(); !ok) return ok;
  plan.job = matcher.task_of(card);
  if (config.kind == models::task_kind::classify && plan.job.labels == 0)
    return fail_tensor(matcher.first_source("classifier.weight"), "is missing from the checkpoint");
  if (auto ok = check_task(config, plan.job); !ok) return ok;
  for (auto& layout : models::layout_of(plan.arch, plan.job)) {
    auto shard = matcher.match(std::move(layout));
    if (!shard) return core::fail(shard.error());
    plan.shards.push_back(std::move(*shard));
  }
  const auto heads = matcher.left_out(leaves_classifier);
  if (!heads) return core::fail(heads.error());
  if (!heads->empty()) plan.notes.push_back(note_on(*heads));
  return {};
}

// Folders are read in steps: what a step finds decides where the next one looks.
class folder_reader {
public:
  explicit folder_reader(const fs::path& folder) : folder_(folder) {}

  core::result<import_plan> read(const tokenizer_check& check_tokenizer) {
    auto ok = find_transformer()
                  .and_then([&] { return read_config(); })
                  .and_then([&] { return read_checkpoint(); })
                  .and_then([&] {
                    return check_tokenizer ? check_tokenizer(base_, plan_.facts.vocabulary) : core::result<void>();
                  })
                  .and_then([&] { return add_uploads(folder_, card_.files, plan_); });
    if (!ok) return core::fail(ok.error());
    return std::move(plan_);
  }

private:
  core::result<void> find_transformer() {
    if (auto ok = require_folder(folder_); !ok) return ok;
    auto modules = read_module_list(folder_);
    if (!modules) return core::fail(modules.error());
    modules_ = std::move(*modules);
    plan_.transformer_folder = modules_.transformer_folder;
    base_ = folder_ / plan_.transformer_folder;
    if (auto ok = require_folder(base_); !ok) return ok;
    return refuse_adapter(base_);
  }

  core::result<void> read_config() {
    if (!name_exists(base_ / "config.json")) return core::fail(missing_config(base_));
    const auto text = read_small_file(base_ / "config.json", "config.json", max_config_bytes);
    if (!text) return core::fail(text.error());
    auto config = parse_model_config(*text);
    if (!config) return core::fail(config.error());
    config_ = std::move(*config);
    // The library loads such a folder as an encoder, whatever was trained on top of it before.
    leaves_classifier_ = modules_.pooling_folder && config_.kind == models::task_kind::classify;
    if (leaves_classifier_) config_.kind = models::task_kind::embed;
    plan_.arch = config_.arch;
    plan_.facts = config_.facts;
    return {};
  }

  core::result<void> read_checkpoint() {
    auto from = open_checkpoint(base_);
    if (!from) return core::fail(from.error());
    auto card = read_model_card(folder_, modules_, config_.facts, config_.kind);
    if (!card) return core::fail(card.error());
    card_ = std::move(*card);
    if (auto ok = fill_shards(*from, config_, card_, leaves_classifier_, plan_); !ok) return ok;
    plan_.how = card_.how;
    plan_.files = std::move(from->files);
    plan_.uploads = std::move(from->uploads);
    if (config_.kind != models::task_kind::classify) return {};
    return describe_labels(config_.labels, plan_.job.labels, plan_.how);
  }

  const fs::path& folder_;
  fs::path base_; // where the Transformer module's files are
  module_list modules_;
  model_config config_;
  model_card card_;
  bool leaves_classifier_ = false;
  import_plan plan_;
};

} // namespace

uint64_t import_plan::total_bytes() const {
  uint64_t sum = 0;
  for (const auto& shard : shards) sum += shard.layout.size_bytes;
  return sum;
}

core::result<import_plan> inspect(const fs::path& folder, const tokenizer_check& check_tokenizer) {
  return folder_reader(folder).read(check_tokenizer);
}

} // namespace fastptm::weights
