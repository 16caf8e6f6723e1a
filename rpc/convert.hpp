// Our values to generated types: the only place where the two meet on the serving side, beside schemas/by_name.
#pragma once

#include <memory>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "protocol/reports/loads.hpp"
#include "protocol/serving.hpp"
#include "schemas/report.capnp.h"
#include "schemas/serving.capnp.h"
#include "weights/format/usage.hpp"

namespace fastptm::rpc {

schema::Status to_schema(core::status from);

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
void set_load_reports(capnp::List<schema::LoadReport>::Builder to, std::vector<protocol::load_report> from);

} // namespace fastptm::rpc
