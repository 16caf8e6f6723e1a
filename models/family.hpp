// What a family of models is: everything that the rest of the system asks about one, and nothing else.
//
// A family is a folder of models/ and a row of registry.cpp; docs/how_to_add_a_family.md walks through one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/json.hpp"
#include "models/architecture.hpp"
#include "models/layout.hpp"
#include "models/skeleton/skeleton.hpp"

namespace fastptm::models {

// What config.json says.
struct described_model {
  models::architecture arch;
  core::task_kind kind = core::task_kind::embed; // by the class that `architectures` names
  std::vector<std::string> defaults; // "hidden_size 768": keys that are not there, with the library's values
};

// How checkpoints of the family name their tensors. `prefix` is prefix() or empty, as the checkpoint at hand has it.
class tensor_names {
public:
  virtual ~tensor_names() = default;

  // What checkpoints of models with a task head put before the names of the body's tensors: "bert.".
  virtual std::string_view prefix() const = 0;

  // The tensors that fill a slot of the layout, one below the other: three for "qkv.*" of some families, else one.
  virtual std::vector<std::string> sources_of(const models::shard_layout& shard, const models::tensor_slot& slot,
                                              std::string_view prefix) const = 0;

  // An older name of the same tensor; empty if there is none.
  virtual std::string old_name_of(std::string_view name) const = 0;

  // A tensor of a pre-training head, which serving does not need: exactly these names.
  virtual bool is_pretraining_head(std::string_view name) const = 0;

  // A tensor of the head that only a classifier needs.
  virtual bool is_classifier(std::string_view name) const = 0;

  // A buffer that some versions store and that holds nothing learnt.
  virtual bool is_buffer(std::string_view name, std::string_view prefix) const = 0;
};

// Stateless and made once: any thread may ask.
class family {
public:
  virtual ~family() = default;

  // As `model_type` of config.json, manifests and people spell it.
  virtual std::string_view name() const = 0;

  // Guesses nothing that would change an answer: a key that is not there has the library's default, one that would make
  // the same tensors mean something else is refused. errc::invalid naming config.json and the key.
  virtual core::result<described_model> read(const core::json_value& config) const = 0;

  virtual const tensor_names& names() const = 0;

  // errc::invalid naming the first number that is out of bounds; errc::corrupt for a text that is not canonical.
  virtual core::result<models::model_facts> describe(const models::architecture& arch) const = 0;

  // All shards in the order in which a run needs them. Requires: describe(arch) succeeded.
  virtual std::vector<models::shard_layout> layout_of(const models::architecture& arch,
                                                      const models::task& job) const = 0;

  // Requires: describe(arch) succeeded.
  virtual std::unique_ptr<skeleton> make_skeleton(const models::architecture& arch) const = 0;
};

} // namespace fastptm::models
