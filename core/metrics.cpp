// Keeps metrics and writes Prometheus' text format 0.0.4.
#include "core/metrics.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

namespace fastptm::core {

void histogram::observe_us(int64_t duration_us) noexcept {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(duration_us, 0));
  // Bucket i holds values <= 2^i us; the last one everything above.
  const auto index = value <= 1 ? 0 : static_cast<size_t>(std::bit_width(value - 1));
  buckets_[std::min(index, bucket_count - 1)].fetch_add(1, std::memory_order_relaxed);
  sum_us_.fetch_add(value, std::memory_order_relaxed);
}

uint64_t histogram::count() const noexcept {
  uint64_t n = 0;
  for (const auto& b : buckets_) n += b.load(std::memory_order_relaxed);
  return n;
}

template <class T>
T& metrics_registry::find_or_make(std::vector<entry<T>>& in, std::string_view name, std::string_view help,
                                  std::string_view labels) {
  const std::lock_guard guard(mutex_);
  for (auto& e : in) {
    if (e.name == name && e.labels == labels) return *e.metric;
  }
  // Kept next to others of the same name: the format wants one block per name.
  auto at = std::find_if(in.rbegin(), in.rend(), [&](const auto& e) { return e.name == name; }).base();
  if (at == in.begin()) at = in.end();
  return *in.insert(at, entry<T>{std::string(name), std::string(help), std::string(labels), std::make_unique<T>()})
              ->metric;
}

counter& metrics_registry::make_counter(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make(counters_, name, help, labels);
}
gauge& metrics_registry::make_gauge(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make(gauges_, name, help, labels);
}
histogram& metrics_registry::make_histogram(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make(histograms_, name, help, labels);
}

namespace {

template <class Entries, class Write>
void write_blocks(std::string& out, const Entries& entries, std::string_view type, Write write) {
  std::string_view last;
  for (const auto& e : entries) {
    if (e.name != last) out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", e.name, e.help, e.name, type);
    last = e.name;
    write(e);
  }
}

std::string braces(std::string_view labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) return {};
  return fmt::format("{{{}{}{}}}", labels, labels.empty() || more.empty() ? "" : ",", more);
}

} // namespace

std::string metrics_registry::exposition() const {
  const std::lock_guard guard(mutex_);
  std::string out;
  write_blocks(out, counters_, "counter",
               [&](const auto& e) { out += fmt::format("{}{} {}\n", e.name, braces(e.labels), e.metric->value()); });
  write_blocks(out, gauges_, "gauge",
               [&](const auto& e) { out += fmt::format("{}{} {}\n", e.name, braces(e.labels), e.metric->value()); });
  write_blocks(out, histograms_, "histogram", [&](const auto& e) {
    uint64_t sum = 0;
    for (size_t i = 0; i + 1 < histogram::bucket_count; ++i) {
      sum += e.metric->bucket(i);
      out += fmt::format("{}_bucket{} {}\n", e.name,
                         braces(e.labels, fmt::format("le=\"{}\"", static_cast<double>(uint64_t{1} << i) * 1e-6)), sum);
    }
    sum += e.metric->bucket(histogram::bucket_count - 1);
    out += fmt::format("{}_bucket{} {}\n", e.name, braces(e.labels, "le=\"+Inf\""), sum);
    out += fmt::format("{}_sum{} {}\n", e.name, braces(e.labels), static_cast<double>(e.metric->sum_us()) * 1e-6);
    out += fmt::format("{}_count{} {}\n", e.name, braces(e.labels), sum);
  });
  return out;
}

} // namespace fastptm::core
