// Reading of traces; arithmetic in the order of the published tools, so that times agree to the last bit.
#include "sim/trace.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include "core/json.hpp"
#include "sim/workload.hpp"

namespace fastptm::sim {

namespace {

constexpr double longest_ms = 1e12; // 30 years
constexpr uint64_t most_models = 1u << 20;
constexpr core::json_limits limits{.size_bytes = 256 << 20, .depth = 4, .values = 20'000'000};

core::result<void> add_record(trace& t, const core::json_array& record, const trace_options& chosen) {
  const auto bad = [](const char* what) { return core::fail(core::errc::invalid, what); };
  if (record.size() < 2) return bad("needs a model and a time");
  trace_request r;
  if (const std::string* letter = record[0].string()) {
    const auto gap_s = record[1].number();
    if (letter->empty() || (*letter)[0] < 'A') return bad("the model must be a letter");
    if (!gap_s || !(*gap_s >= 0)) return bad("the seconds until the next request must be a number from 0 up");
    r = {t.end_ms, static_cast<uint32_t>((*letter)[0] - 'A'), t.end_ms + chosen.deadline_ms};
    t.end_ms += (*gap_s * 1000 + chosen.oversleep_ms) / chosen.rate;
  } else {
    const auto at_ms = record[0].number();
    const auto model = record[1].unsigned_integer();
    const auto within_ms = record.size() > 2 ? record[2].number() : std::optional(chosen.deadline_ms);
    if (!at_ms || !(*at_ms >= 0)) return bad("the time must be a number of ms from 0 up");
    if (!model || *model >= most_models) return bad("the model must be an integer below 1048576");
    if (!within_ms || !(std::abs(*within_ms) <= longest_ms)) return bad("the deadline must be a number of ms");
    if (*at_ms / chosen.rate < t.end_ms) return bad("the time is before that of the record before it");
    t.end_ms = *at_ms / chosen.rate;
    r = {t.end_ms, static_cast<uint32_t>(*model), t.end_ms + *within_ms};
  }
  if (!(t.end_ms <= longest_ms)) return bad("the time is beyond 30 years");
  t.requests.push_back(r);
  t.models = std::max(t.models, r.model + 1);
  return {};
}

core::result<trace> from_json(const std::filesystem::path& file, const trace_options& chosen) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in) return core::fail(core::errc::not_found, file.string() + ": cannot be read");
  text << in.rdbuf(); // Of an empty file nothing, which is no JSON.
  const auto parsed = core::parse_json(text.view(), file.string(), limits);
  if (!parsed) return core::fail(parsed.error());
  const core::json_array* records = parsed->array();
  if (records == nullptr || records->empty())
    return core::fail(core::errc::invalid, file.string() + ": a trace is a list of records; this is " +
                                               (records ? std::string("an empty one") : std::string(parsed->kind())));
  trace t;
  t.requests.reserve(records->size());
  for (size_t i = 0; i < records->size(); ++i) {
    const core::json_array* record = (*records)[i].array();
    const auto added = record ? add_record(t, *record, chosen) : core::fail(core::errc::invalid, "is no list");
    if (!added)
      return core::fail(core::errc::invalid,
                        file.string() + ": record " + std::to_string(i) + ": " + added.error().message);
  }
  return t;
}

core::result<trace> from_workload(const std::filesystem::path& file, const trace_options& chosen) {
  const auto w = read_workload(file);
  if (!w) return core::fail(w.error());
  trace t;
  t.models = static_cast<uint32_t>(w->class_of.size());
  t.requests.reserve(w->requests.size());
  for (const workload_request& r : w->requests) {
    t.end_ms = static_cast<double>(r.at_us) / 1000.0 / chosen.rate;
    t.requests.push_back({t.end_ms, r.model, t.end_ms + w->classes[w->class_of[r.model]].deadline_ms});
  }
  return t;
}

} // namespace

core::result<trace> read_trace(const std::filesystem::path& file, const trace_options& chosen) {
  if (!(chosen.rate > 0 && chosen.rate <= 1e9))
    return core::fail(core::errc::invalid, "--rate must be above 0 and at most 1e9");
  if (!(chosen.oversleep_ms >= 0 && chosen.oversleep_ms <= longest_ms))
    return core::fail(core::errc::invalid, "--oversleep-ms must be 0 to 1e12 ms");
  if (!(chosen.deadline_ms >= 0 && chosen.deadline_ms <= longest_ms))
    return core::fail(core::errc::invalid, "--deadline-ms must be 0 to 1e12 ms");
  return looks_like_workload(file) ? from_workload(file, chosen) : from_json(file, chosen);
}

} // namespace fastptm::sim
