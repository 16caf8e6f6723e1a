// What requests, models and publishing say to each other.
// Times are remaining or elapsed microseconds; absolute ones are on the clock of a device's machine, and only
// comparable with others of that device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.hpp"
#include "core/task.hpp"
#include "protocol/payload.hpp"
#include "protocol/reports/publication.hpp"
#include "protocol/reports/status.hpp"

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
FASTPTM_FIELDS(answer_part, of, first, ids, output)

// From a gpu_worker to the scheduler.
struct batch_part {
  core::batch_id batch;
  answer_part part;
};
FASTPTM_FIELDS(batch_part, batch, part)

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
FASTPTM_FIELDS(infer_request, model, task, input, deadline_us, key, call, parts)

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
FASTPTM_FIELDS(account, node, loaded, late, queue_us, switch_us, run_us, total_us, device, batch, batch_end_us)

struct infer_reply {
  status end = status::unavailable;
  std::string error;          // empty when answered
  int64_t retry_after_us = 0; // 0: waiting does not help
  payload output;             // encode_output: the embedding or the logits
  account spent;
};
FASTPTM_FIELDS(infer_reply, end, error, retry_after_us, output, spent)

// One published model, with everything the gateway and a tenant must know to check an input.
struct model_row : model_entry {
  core::model_id id;
  std::string tenant;  // "acme"
  uint32_t labels = 0; // classify: how many logits
  core::digest manifest;
  core::digest card; // the tokenizer files as one object; zero: none
  uint32_t vocabulary = 0;
  uint32_t max_tokens = 0;
  uint32_t token_types = 0;
};
FASTPTM_MORE_FIELDS(model_row, model_entry, id, tenant, labels, manifest, card, vocabulary, max_tokens, token_types)

struct model_list {
  std::vector<model_row> rows;
};
FASTPTM_FIELDS(model_list, rows)

// A model with its manifest (weights::encode), as the scheduler needs it.
struct model_added {
  model_row row;
  payload manifest;
};
FASTPTM_FIELDS(model_added, row, manifest)

// A published model whose manifest is damaged: nobody can ask it until its folder is published again.
struct model_unreadable {
  std::string name;
};
FASTPTM_FIELDS(model_unreadable, name)

// From the gateway to the store: import what an upload has put into `folder`.
struct publish_request {
  std::string tenant;
  std::string name;             // without tenant and version
  std::string folder;           // removed by the gateway afterwards
  bool special_is_text = false; // special tokens spelled out in texts
};
FASTPTM_FIELDS(publish_request, tenant, name, folder, special_is_text)

// From the gateway to the store: take a version, or with `all` every version of a name, back.
struct unpublish_request {
  std::string tenant; // who asks: only its own
  std::string model;  // "acme/minilm@1"; with `all` "acme/minilm"
  bool all = false;
};
FASTPTM_FIELDS(unpublish_request, tenant, model, all)

// Nothing uses them any more.
struct unpublish_reply {
  std::vector<std::string> models;
  uint64_t freed_bytes = 0; // of their weights, those that no other model of the tenant needs
};
FASTPTM_FIELDS(unpublish_reply, models, freed_bytes)

// A model was taken back.
struct model_removed {
  core::model_id id;
  std::string name;
};
FASTPTM_FIELDS(model_removed, id, name)

// From a tenant to the scheduler: an admitted request. `ticket` is the tenant's own number, used to cancel.
struct schedule_request {
  uint64_t ticket = 0;
  core::tenant_id tenant;
  core::model_id model;
  int64_t deadline_us = 0; // remaining
  payload input;
  bool in_parts = false; // the sender wants answer_part, too
};
FASTPTM_FIELDS(schedule_request, ticket, tenant, model, deadline_us, input, in_parts)

} // namespace fastptm::protocol
