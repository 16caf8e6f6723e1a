// Field by field.
#include "rpc/convert.hpp"

#include <algorithm>
#include <cstring>

#include "core/log.hpp"

namespace fastptm::rpc {

namespace {

uint64_t unsigned_of(int64_t value) {
  return static_cast<uint64_t>(std::max<int64_t>(value, 0));
}

capnp::Text::Reader text_of(const std::string& from) {
  return {from.data(), from.size()};
}

template <class Builder> void set_texts(Builder to, const std::vector<std::string>& from) {
  for (unsigned i = 0; i < from.size(); ++i) to.set(i, from[i].c_str());
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

void set_model(schema::ModelStatus::Builder to, const protocol::model_row& from) {
  to.setName(from.name.c_str());
  to.setArchitecture(from.architecture.c_str());
  to.setBytes(from.bytes);
  to.setShards(from.shards);
  to.setTask(kj::StringPtr(to_string(from.task).data()));
}

void set_node(schema::NodeStatus::Builder to, const protocol::node_row& from) {
  to.setName(from.name.c_str());
  to.setPid(static_cast<int32_t>(from.pid));
  to.setIncarnation(from.incarnation);
  set_texts(to.initRoles(static_cast<unsigned>(from.roles.size())), from.roles);
  switch (from.state) {
    case protocol::node_state::ready:
      to.setState(schema::NodeState::READY);
      break;
    case protocol::node_state::suspect:
      to.setState(schema::NodeState::SUSPECT);
      break;
    case protocol::node_state::lost:
      to.setState(schema::NodeState::LOST);
      break;
  }
  auto devices = to.initDevices(static_cast<unsigned>(from.devices.size()));
  for (unsigned i = 0; i < devices.size(); ++i) {
    const auto& device = from.devices[i];
    auto row = devices[i];
    row.setName(device.name.c_str());
    row.setKind(device.kind.c_str());
    row.setArenaBytes(device.arena_bytes);
    row.setUsedBytes(device.used_bytes);
    row.setCordoned(device.cordoned);
    auto resident = row.initResident(static_cast<unsigned>(device.resident.size()));
    for (unsigned j = 0; j < resident.size(); ++j) resident.set(j, device.resident[j].name.c_str());
  }
}

void set_plan(schema::DeviceStatus::Builder to, const protocol::device_plan& from) {
  auto loads = to.initLoads(static_cast<unsigned>(from.loads.size()));
  for (unsigned i = 0; i < loads.size(); ++i) {
    loads[i].setModel(from.loads[i].model);
    loads[i].setReason(std::string(protocol::to_string(from.loads[i].reason)));
    loads[i].setRemainingUs(unsigned_of(from.loads[i].remaining_us));
  }
  auto lanes = to.initLanes(static_cast<unsigned>(from.lanes.size()));
  for (unsigned i = 0; i < lanes.size(); ++i) {
    lanes[i].setModel(from.lanes[i].model);
    lanes[i].setRequests(from.lanes[i].requests);
    lanes[i].setRemainingUs(unsigned_of(from.lanes[i].remaining_us));
  }
}

void set_queue(schema::ModelStatus::Builder to, const protocol::model_queue& from) {
  to.setQueued(from.queued);
  to.setLate(from.late);
}

void set_explanation(schema::Explanation::Builder to, const protocol::explanation& from) {
  to.setModel(from.model);
  to.setStrategy(from.strategy);
  to.setTenant(from.tenant);
  to.setTenantShare(from.tenant_share);
  to.setTenantServiceUs(from.tenant_service_us);
  to.setTenantAhead(from.tenant_ahead);
  to.setQueued(from.queued);
  to.setLate(from.late);
  to.setHasHead(from.has_head);
  to.setHeadLeftUs(from.head_left_us);
  auto devices = to.initDevices(static_cast<unsigned>(from.devices.size()));
  for (unsigned i = 0; i < devices.size(); ++i) {
    const auto& device = from.devices[i];
    auto row = devices[i];
    row.setName(device.device);
    row.setResident(device.resident);
    row.setLoading(device.loading);
    row.setReason(std::string(protocol::to_string(device.reason)));
    row.setLoadingLeftUs(unsigned_of(device.loading_left_us));
    row.setTier(device.tier);
    row.setMissingBytes(device.missing_bytes);
    row.setLoadUs(unsigned_of(device.load_us));
    row.setEngineWaitUs(unsigned_of(device.engine_wait_us));
    set_texts(row.initWouldGo(static_cast<unsigned>(device.would_go.size())), device.would_go);
    row.setPriceUs(unsigned_of(device.price_us));
    row.setLaneWaitUs(unsigned_of(device.lane_wait_us));
    row.setRunOneUs(unsigned_of(device.run_one_us));
    row.setBatch(device.batch);
    row.setRunBatchUs(unsigned_of(device.run_batch_us));
    row.setHasValue(device.has_value);
    row.setValueMicroRps(device.value_micro_rps);
    row.setAgainst(device.against);
    row.setAgainstForUs(unsigned_of(device.against_for_us));
  }
}

void set_running_load(schema::RunningLoad::Builder to, const protocol::running_load& from) {
  to.setId(from.id.value);
  to.setModel(from.model);
  to.setDevice(from.device);
  auto peers = to.initPeers(static_cast<unsigned>(from.peers.size()));
  for (unsigned i = 0; i < peers.size(); ++i) peers.set(i, from.peers[i].c_str());
}

void set_load_report(schema::LoadReport::Builder to, const protocol::load_report& from) {
  to.setId(from.id.value);
  to.setModel(from.model.c_str());
  to.setDevice(from.device.c_str());
  to.setReason(std::string(protocol::to_string(from.reason)).c_str());
  to.setOk(from.ok);
  to.setError(core::printable(from.error, 480).c_str());
  to.setBytesTotal(from.bytes_total);
  to.setBytesShared(from.bytes_shared);
  to.setBytesMoved(from.bytes_moved);
  to.setWallUs(unsigned_of(from.wall_us));
  to.setOrderedUs(unsigned_of(from.ordered_us));
  to.setLeftUs(unsigned_of(from.left_us));
  to.setVerifiedChunks(from.verified_chunks);
  to.setBadChunks(from.bad_chunks);
  to.setRefetchedChunks(from.refetched_chunks);
  auto stages = to.initStages(static_cast<unsigned>(from.stages.size()));
  for (unsigned i = 0; i < stages.size(); ++i) {
    stages[i].setName(from.stages[i].name.c_str());
    stages[i].setStartUs(unsigned_of(from.stages[i].start_us));
    stages[i].setEndUs(unsigned_of(from.stages[i].end_us));
  }
  auto sources = to.initSources(static_cast<unsigned>(from.sources.size()));
  for (unsigned i = 0; i < sources.size(); ++i) {
    const auto& source = from.sources[i];
    sources[i].setKind(source.kind.c_str());
    sources[i].setNode(source.node.c_str());
    sources[i].setPath(source.path.c_str());
    sources[i].setBytes(source.bytes);
    sources[i].setChunks(source.chunks);
    sources[i].setRateBps(source.rate_bps);
    sources[i].setFailed(source.failed);
  }
  auto limit = to.initLimit();
  limit.setLink(from.limit.link.c_str());
  limit.setRateBps(from.limit.rate_bps);
  limit.setFractionPpm(static_cast<uint32_t>(std::min<uint64_t>(from.limit.fraction_ppm, UINT32_MAX)));
}

void set_publication(schema::Publication::Builder to, const protocol::publish_reply& from) {
  to.setModel(from.row.name.c_str());
  to.setBytes(from.row.bytes);
  to.setShards(from.row.shards);
  to.setNewShards(static_cast<uint32_t>(from.new_shards));
  to.setNewBytes(from.new_bytes);
  to.setArchitecture(from.row.architecture.c_str());
}

} // namespace fastptm::rpc
