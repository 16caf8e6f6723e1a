// What taken-back models leave in the store: removed, but for what a publication has found there meanwhile.
#pragma once

#include <cstdint>
#include <vector>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/ids.hpp"
#include "weights/store/catalogue.hpp"
#include "weights/store/content_store.hpp"

namespace fastptm::weights {

// Of models whose rows are gone and that nothing uses any more.
struct leftovers {
  std::vector<core::digest> objects;
  std::vector<core::digest> sets;
  core::model_id newest_known; // no model up to this one needs any of them
};

// Waits for a publication that is under way. Removes nothing when the manifest of a model that was published after
// `newest_known` cannot be read. After a crash, what is left goes with content_store::collect_garbage.
core::result<garbage> remove_leftovers(leftovers left, content_store& store, const catalogue& models);

} // namespace fastptm::weights
