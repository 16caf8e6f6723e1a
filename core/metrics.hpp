// Counters, gauges and histograms with Prometheus' text exposition. A registry is made by node/ and passed to whoever
// measures.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

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

// Durations in microseconds in power-of-two buckets: 1 us to 2^26 us (67 s), then +Inf. Any thread.
class histogram {
public:
  static constexpr size_t bucket_count = 28;
  void observe_us(int64_t duration_us) noexcept;
  uint64_t count() const noexcept;
  uint64_t sum_us() const noexcept { return sum_us_.load(std::memory_order_relaxed); }
  uint64_t bucket(size_t i) const noexcept { return buckets_[i].load(std::memory_order_relaxed); }

private:
  std::array<std::atomic<uint64_t>, bucket_count> buckets_{};
  std::atomic<uint64_t> sum_us_{0};
};

// Owns what it hands out; references stay valid as long as the registry lives. Any thread.
// Names follow Prometheus: fastptm_<part>_<what>_<unit>, counters end in _total. `labels` is the text between the
// braces, e.g. `kind="peer_device"`, with values from a bounded set: never a request id or anything a client chose.
class metrics_registry {
public:
  counter& make_counter(std::string_view name, std::string_view help, std::string_view labels = {});
  gauge& make_gauge(std::string_view name, std::string_view help, std::string_view labels = {});
  // Exposed in seconds, as Prometheus wants; the name ends in _seconds.
  histogram& make_histogram(std::string_view name, std::string_view help, std::string_view labels = {});

  // The page that /metrics serves.
  std::string exposition() const;

private:
  template <class T> struct entry {
    std::string name, help, labels;
    std::unique_ptr<T> metric;
  };
  template <class T>
  T& find_or_make(std::vector<entry<T>>& in, std::string_view name, std::string_view help, std::string_view labels);

  // Metrics are made at start and read by /metrics on another thread; the values themselves are atomics.
  mutable std::mutex mutex_;
  std::vector<entry<counter>> counters_;
  std::vector<entry<gauge>> gauges_;
  std::vector<entry<histogram>> histograms_;
};

} // namespace fastptm::core
