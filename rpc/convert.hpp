// Our values to generated types: the only place where the two meet on the serving side.
#pragma once

#include <memory>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "protocol/cluster.hpp"
#include "protocol/explaining.hpp"
#include "protocol/reports.hpp"
#include "protocol/serving.hpp"
#include "schemas/report.capnp.h"
#include "schemas/serving.capnp.h"
#include "weights/format/usage.hpp"

namespace fastptm::rpc {

schema::Status to_schema(protocol::status from);
// How an error of ours appears to a client.
schema::Status to_status(core::errc code);

void set_outcome(schema::Outcome::Builder to, schema::Status status, std::string_view error = {},
                 core::duration_us retry_after_us = 0);
void set_outcome(schema::Outcome::Builder to, const core::error& from);

// A tenant's reply, and what the gateway alone knows of its input and model.
struct told_answer {
  protocol::infer_reply reply;
  uint32_t tokens = 0;
  bool truncated = false;
  std::shared_ptr<const weights::usage> how; // null: no labels to name
};

// `classify`: fills the labels, too.
void set_answer(schema::Answer::Builder to, const told_answer& from, bool classify);
void set_model(schema::ModelStatus::Builder to, const protocol::model_row& from);
void set_node(schema::NodeStatus::Builder to, const protocol::node_row& from);
void set_explanation(schema::Explanation::Builder to, const protocol::explanation& from);
// What the scheduler plans for a device, into the row that set_node filled; how many wait for a model likewise.
void set_plan(schema::DeviceStatus::Builder to, const protocol::device_plan& from);
void set_queue(schema::ModelStatus::Builder to, const protocol::model_queue& from);
void set_running_load(schema::RunningLoad::Builder to, const protocol::running_load& from);
void set_load_report(schema::LoadReport::Builder to, const protocol::load_report& from);
void set_publication(schema::Publication::Builder to, const protocol::publish_reply& from);

} // namespace fastptm::rpc
