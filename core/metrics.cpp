// Keeps metrics and writes Prometheus' text format 0.0.4.
#include "core/metrics.hpp"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

namespace fastptm::core {

void histogram::observe_ns(int64_t took_ns) noexcept {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(took_ns, 0));
  // Bucket i holds values <= least * 2^i; the last one everything above.
  const auto index = value <= range_.least_ns ? 0 : static_cast<size_t>(std::bit_width((value - 1) / range_.least_ns));
  buckets_[std::min(index, range_.bounds)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(value, std::memory_order_relaxed);
}

uint64_t histogram::count() const noexcept {
  uint64_t n = 0;
  for (const auto& b : buckets_) n += b.load(std::memory_order_relaxed);
  return n;
}

uint64_t histogram::quantile_ns(double share) const noexcept {
  const auto all = count();
  if (all == 0 || range_.bounds == 0) return 0;
  double below = share * static_cast<double>(all);
  for (size_t i = 0; i < range_.bounds; ++i) {
    const auto here = static_cast<double>(bucket(i));
    if (here > 0 && below <= here) {
      const uint64_t from_ns = i == 0 ? 0 : bound_ns(i - 1);
      return from_ns + static_cast<uint64_t>(static_cast<double>(bound_ns(i) - from_ns) * below / here);
    }
    below -= here;
  }
  return bound_ns(range_.bounds - 1);
}

template <class T, class... Args>
T& metrics_registry::find_or_make(entries<T> metrics_registry::*of_kind, std::string_view name, std::string_view help,
                                  std::string_view labels, Args... args) {
  const core::mutex_lock guard(mutex_);
  auto& in = this->*of_kind;
  for (auto& e : in) {
    if (e.name == name && e.labels == labels) return *e.metric;
  }
  // Kept next to others of the same name: the format wants one block per name.
  auto at = std::find_if(in.rbegin(), in.rend(), [&](const auto& e) { return e.name == name; }).base();
  if (at == in.begin()) at = in.end();
  return *in.insert(at,
                    entry<T>{std::string(name), std::string(help), std::string(labels), std::make_unique<T>(args...)})
              ->metric;
}

counter& metrics_registry::make_counter(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make(&metrics_registry::counters_, name, help, labels);
}
gauge& metrics_registry::make_gauge(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make(&metrics_registry::gauges_, name, help, labels);
}
histogram& metrics_registry::make_histogram(std::string_view name, std::string_view help, std::string_view labels,
                                            bucket_range range) {
  return find_or_make(&metrics_registry::histograms_, name, help, labels, range);
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

// A division: it is rounded once, so that bounds are written as people would.
double seconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

std::string braces(std::string_view labels, std::string_view more = {}) {
  if (labels.empty() && more.empty()) return {};
  return fmt::format("{{{}{}{}}}", labels, labels.empty() || more.empty() ? "" : ",", more);
}

} // namespace

std::string metrics_registry::exposition() const {
  const core::mutex_lock guard(mutex_);
  std::string out;
  write_blocks(out, counters_, "counter",
               [&](const auto& e) { out += fmt::format("{}{} {}\n", e.name, braces(e.labels), e.metric->value()); });
  write_blocks(out, gauges_, "gauge",
               [&](const auto& e) { out += fmt::format("{}{} {}\n", e.name, braces(e.labels), e.metric->value()); });
  write_blocks(out, histograms_, "histogram", [&](const auto& e) {
    uint64_t sum = 0;
    for (size_t i = 0; i < e.metric->bounds(); ++i) {
      sum += e.metric->bucket(i);
      out += fmt::format("{}_bucket{} {}\n", e.name,
                         braces(e.labels, fmt::format("le=\"{}\"", seconds(e.metric->bound_ns(i)))), sum);
    }
    sum += e.metric->bucket(e.metric->bounds());
    out += fmt::format("{}_bucket{} {}\n", e.name, braces(e.labels, "le=\"+Inf\""), sum);
    out += fmt::format("{}_sum{} {}\n", e.name, braces(e.labels), seconds(e.metric->sum_ns()));
    out += fmt::format("{}_count{} {}\n", e.name, braces(e.labels), sum);
  });
  return out;
}

} // namespace fastptm::core
