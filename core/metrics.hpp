// Counters, gauges and histograms with Prometheus' text exposition.
// A registry is made by node/ and passed to whoever measures.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.hpp"

namespace fastptm::core {

// Only grows. Any thread.
class counter {
public:
  void add(uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down. Any thread.
class gauge {
public:
  void set(int64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t n) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
  std::atomic<int64_t> value_{0};
};

// The upper bounds of a histogram's buckets: `least_ns` and its doublings, then +Inf.
struct bucket_range {
  uint64_t least_ns = 0;
  size_t bounds = 0; // At most histogram::most_buckets - 1.
};
constexpr bucket_range waiting_buckets{1'000, 27}; // 1 us to 2^26 us (67 s).
constexpr bucket_range deciding_buckets{250, 13};  // 250 ns to 1.024 ms.

// Durations. Any thread.
class histogram {
public:
  static constexpr size_t most_buckets = 28;
  explicit histogram(bucket_range range = waiting_buckets) noexcept : range_(range) {}
  void observe_us(int64_t took_us) noexcept { observe_ns(took_us * 1000); }
  void observe_ns(int64_t took_ns) noexcept;
  uint64_t count() const noexcept;
  uint64_t sum_ns() const noexcept { return sum_ns_.load(std::memory_order_relaxed); }
  uint64_t bucket(size_t i) const noexcept { return buckets_[i].load(std::memory_order_relaxed); }
  size_t bounds() const noexcept { return range_.bounds; }
  uint64_t bound_ns(size_t i) const noexcept { return range_.least_ns << i; } // of bucket i; i < bounds()
  // Below this lay that share of what was observed, assuming it even within a bucket; 0 when nothing was. What lay
  // beyond the last bound counts as that bound.
  uint64_t quantile_ns(double share) const noexcept;

private:
  bucket_range range_;
  std::array<std::atomic<uint64_t>, most_buckets> buckets_{};
  std::atomic<uint64_t> sum_ns_{0};
};

// Owns what it hands out; references stay valid as long as the registry lives. Any thread.
// Names follow Prometheus: fastptm_<part>_<what>_<unit>, counters end in _total. `labels` is the text between the
// braces, e.g. `kind="peer_device"`, with values from a bounded set: never a request id or anything a client chose.
class metrics_registry {
public:
  counter& make_counter(std::string_view name, std::string_view help, std::string_view labels = {});
  gauge& make_gauge(std::string_view name, std::string_view help, std::string_view labels = {});
  // Exposed in seconds, as Prometheus wants; the name ends in _seconds.
  histogram& make_histogram(std::string_view name, std::string_view help, std::string_view labels = {},
                            bucket_range range = waiting_buckets);

  // The page that /metrics serves.
  std::string exposition() const;

private:
  template <class T> struct entry {
    std::string name, help, labels;
    std::unique_ptr<T> metric;
  };
  template <class T> using entries = std::vector<entry<T>>;
  template <class T, class... Args>
  T& find_or_make(entries<T> metrics_registry::*of_kind, std::string_view name, std::string_view help,
                  std::string_view labels, Args... args);

  // Metrics are made at start and read by /metrics on another thread; the values themselves are atomics.
  mutable core::mutex mutex_;
  entries<counter> counters_ FASTPTM_GUARDED_BY(mutex_);
  entries<gauge> gauges_ FASTPTM_GUARDED_BY(mutex_);
  entries<histogram> histograms_ FASTPTM_GUARDED_BY(mutex_);
};

} // namespace fastptm::core
