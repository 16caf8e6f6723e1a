// Answers, outcomes and their labels; whatever reports is written by the names of its fields.
#include "rpc/convert.hpp"

#include <algorithm>
#include <cstring>

#include "core/log.hpp"
#include "schemas/by_name.hpp"

namespace fastptm::rpc {

namespace {

uint64_t unsigned_of(int64_t value) {
  return static_cast<uint64_t>(std::max<int64_t>(value, 0));
}

capnp::Text::Reader text_of(const std::string& from) {
  return {from.data(), from.size()};
}

std::vector<float> floats_of(const std::vector<unsigned char>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// Requires: as many names as logits. A regression of one value has nothing to tell apart.
void set_labels(schema::Answer::Builder to, const std::vector<float>& logits, const weights::usage& how) {
  to.setLabelName(text_of(how.labels[static_cast<size_t>(to.getLabel())]));
  if (how.scores == weights::scoring::one_of || (how.scores == weights::scoring::value && logits.size() == 1)) return;
  auto list = to.initLabels(static_cast<unsigned>(logits.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setName(text_of(how.labels[i]));
    list[i].setScore(weights::score_of(how.scores, logits[i]));
  }
}

void set_classes(schema::Answer::Builder to, const told_answer& from) {
  const auto logits = floats_of(from.reply.output.bytes);
  if (logits.empty()) return to.setLabel(-1);
  to.setLabel(static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin()));
  if (from.how && from.how->labels.size() == logits.size()) set_labels(to, logits, *from.how);
}

} // namespace

schema::Status to_schema(core::status from) {
  static_assert(static_cast<int>(schema::Status::OK) == static_cast<int>(core::status::ok));
  static_assert(static_cast<int>(schema::Status::INVALID) == static_cast<int>(core::status::invalid));
  return static_cast<schema::Status>(from); // one list, in the order of the schema: tests/rpc/convert_test.cpp
}

void set_outcome(schema::Outcome::Builder to, schema::Status status, std::string_view error,
                 core::duration_us retry_after_us) {
  to.setStatus(status);
  if (!error.empty()) to.setError(core::printable(error, 480).c_str());
  to.setRetryAfterUs(unsigned_of(retry_after_us));
}

void set_outcome(schema::Outcome::Builder to, const core::error& from) {
  set_outcome(to, to_schema(core::status_of(from.code)), from.message);
}

void set_answer(schema::Answer::Builder to, const told_answer& told, bool classify) {
  const auto& from = told.reply;
  set_outcome(to.initOutcome(), to_schema(from.end), from.error, from.retry_after_us);
  to.setOutput({from.output.bytes.data(), from.output.bytes.size()});
  if (classify) set_classes(to, told);
  to.setTokens(told.tokens);
  to.setTruncated(told.truncated);
  to.setNode(from.spent.node.c_str());
  to.setLoaded(from.spent.loaded);
  to.setQueueUs(unsigned_of(from.spent.queue_us));
  to.setSwitchUs(unsigned_of(from.spent.switch_us));
  to.setRunUs(unsigned_of(from.spent.run_us));
  to.setTotalUs(unsigned_of(from.spent.total_us));
  to.setDevice(from.spent.device.c_str());
  to.setBatch(from.spent.batch.value);
  to.setBatchEndUs(unsigned_of(from.spent.batch_end_us));
}

void set_load_reports(capnp::List<schema::LoadReport>::Builder to, std::vector<protocol::load_report> from) {
  for (auto& each : from) each.error = core::printable(each.error, 480);
  schema::write_rows<protocol::load_report>(to, from);
}

} // namespace fastptm::rpc
