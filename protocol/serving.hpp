// What requests, models and publishing say to each other.
// Times are remaining or elapsed microseconds; absolute ones are on the clock of a device's machine, and only
// comparable with others of that device.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.hpp"
#include "core/task.hpp"
#include "protocol/payload.hpp"

namespace fastptm::protocol {

using core::status;
using core::task_kind;

// A piece of an answer while it is computed, ahead of the reply that has everything. A gpu_worker says which of a
// batch's inputs it belongs to, the scheduler which ticket, a tenant which call.
struct answer_part {
  uint64_t of = 0;
  uint32_t first = 0; // its place in the answer
  std::vector<int32_t> ids;
  payload output;
};
template <class I> typename I::result_type inspect(I& f, answer_part& x) {
  return fields(f, "answer_part", x.of, x.first, x.ids, x.output);
}

// From a gpu_worker to the scheduler.
struct batch_part {
  core::batch_id batch;
  answer_part part;
};
template <class I> typename I::result_type inspect(I& f, batch_part& x) {
  return fields(f, "batch_part", x.batch, x.part);
}

// Whoever wants parts: the gateway, on behalf of a client.
using part_receiver_actor = caf::typed_actor<caf::reacts_to<answer_part>>;

// From the gateway to a tenant: one input for one model.
struct infer_request {
  std::string model; // "acme/minilm@1", or without version: the newest
  task_kind task = task_kind::embed;
  payload input;                  // encode_input
  int64_t deadline_us = 0;        // remaining; 0: the tenant's default
  std::string key = {};           // the client's, the same for every try of one request; empty: none
  uint64_t call = 0;              // the gateway's number for this try, used to cancel
  part_receiver_actor parts = {}; // none: only the reply
};
template <class I> typename I::result_type inspect(I& f, infer_request& x) {
  return fields(f, "infer_request", x.model, x.task, x.input, x.deadline_us, x.key, x.call, x.parts);
}

// Where the time of one request went, and who answered.
struct account {
  std::string node;    // "worker-0"
  bool loaded = false; // the answer had to wait for weights
  bool late = false;
  int64_t queue_us = 0;
  int64_t switch_us = 0;
  int64_t run_us = 0;
  int64_t total_us = 0; // as the tenant saw it
  // For who draws up the schedule that really ran:
  std::string device;       // "worker-0/host0"
  core::batch_id batch;     // requests that ran together have the same
  int64_t batch_end_us = 0; // on the device's clock; it computed for run_us until then
};
template <class I> typename I::result_type inspect(I& f, account& x) {
  return fields(f, "account", x.node, x.loaded, x.late, x.queue_us, x.switch_us, x.run_us, x.total_us, x.device,
                x.batch, x.batch_end_us);
}

struct infer_reply {
  status end = status::unavailable;
  std::string error;          // empty when answered
  int64_t retry_after_us = 0; // 0: waiting does not help
  payload output;             // encode_output: the embedding or the logits
  account spent;
};
template <class I> typename I::result_type inspect(I& f, infer_reply& x) {
  return fields(f, "infer_reply", x.end, x.error, x.retry_after_us, x.output, x.spent);
}

// One published model, with everything the gateway and a tenant must know to check an input.
struct model_row {
  core::model_id id;
  std::string name;   // "acme/minilm@1"
  std::string tenant; // "acme"
  std::string architecture;
  task_kind task = task_kind::embed;
  uint32_t labels = 0; // classify: how many logits
  uint64_t bytes = 0;
  uint32_t shards = 0;
  core::digest manifest;
  core::digest card; // the tokenizer files as one object; zero: none
  uint32_t vocabulary = 0;
  uint32_t max_tokens = 0;
  uint32_t token_types = 0;
};
template <class I> typename I::result_type inspect(I& f, model_row& x) {
  return fields(f, "model_row", x.id, x.name, x.tenant, x.architecture, x.task, x.labels, x.bytes, x.shards, x.manifest,
                x.card, x.vocabulary, x.max_tokens, x.token_types);
}

struct model_list {
  std::vector<model_row> rows;
};
template <class I> typename I::result_type inspect(I& f, model_list& x) {
  return fields(f, "model_list", x.rows);
}

// A model with its manifest (weights::encode), as the scheduler needs it.
struct model_added {
  model_row row;
  payload manifest;
};
template <class I> typename I::result_type inspect(I& f, model_added& x) {
  return fields(f, "model_added", x.row, x.manifest);
}

// From the gateway to the store: import what an upload has put into `folder`.
struct publish_request {
  std::string tenant;
  std::string name;             // without tenant and version
  std::string folder;           // removed by the gateway afterwards
  bool special_is_text = false; // special tokens spelled out in texts
};
template <class I> typename I::result_type inspect(I& f, publish_request& x) {
  return fields(f, "publish_request", x.tenant, x.name, x.folder, x.special_is_text);
}

struct publish_reply {
  model_row row;
  uint64_t new_shards = 0;
  uint64_t new_bytes = 0;
};
template <class I> typename I::result_type inspect(I& f, publish_reply& x) {
  return fields(f, "publish_reply", x.row, x.new_shards, x.new_bytes);
}

// From the gateway to the store: take a version, or with `all` every version of a name, back.
struct unpublish_request {
  std::string tenant; // who asks: only its own
  std::string model;  // "acme/minilm@1"; with `all` "acme/minilm"
  bool all = false;
};
template <class I> typename I::result_type inspect(I& f, unpublish_request& x) {
  return fields(f, "unpublish_request", x.tenant, x.model, x.all);
}

// Nothing uses them any more.
struct unpublish_reply {
  std::vector<std::string> models;
  uint64_t freed_bytes = 0; // of the store's disk
};
template <class I> typename I::result_type inspect(I& f, unpublish_reply& x) {
  return fields(f, "unpublish_reply", x.models, x.freed_bytes);
}

// A model was taken back.
struct model_removed {
  core::model_id id;
  std::string name;
};
template <class I> typename I::result_type inspect(I& f, model_removed& x) {
  return fields(f, "model_removed", x.id, x.name);
}

// From a tenant to the scheduler: an admitted request. `ticket` is the tenant's own number, used to cancel.
struct schedule_request {
  uint64_t ticket = 0;
  core::tenant_id tenant;
  core::model_id model;
  int64_t deadline_us = 0; // remaining
  payload input;
  bool in_parts = false; // the sender wants answer_part, too
};
template <class I> typename I::result_type inspect(I& f, schedule_request& x) {
  return fields(f, "schedule_request", x.ticket, x.tenant, x.model, x.deadline_us, x.input, x.in_parts);
}

} // namespace fastptm::protocol
