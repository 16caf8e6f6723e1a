// A device that computes as another does and says how far it has come: whoever tests waits for that, not for time.
#pragma once

#include <chrono>

#include "core/mutex.hpp"
#include "gpu/device.hpp"
#include "gpu/kernels.hpp"

namespace fastptm::engine {

// Counts the attentions that are done: one a layer and pass.
class watched_kernels final : public gpu::kernels {
public:
  explicit watched_kernels(gpu::kernels& inner) : inner_(inner) {}

  // Whether that many layers have computed their attention; gives up after a time that only a lost run needs.
  bool await_attentions(unsigned count) {
    core::mutex_lock lock(mutex_);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (attentions_ < count && changed_.wait_until(lock, give_up)) {
    }
    return attentions_ >= count;
  }

  uint64_t activation_bytes(uint32_t rows, uint32_t features) const override {
    return inner_.activation_bytes(rows, features);
  }
  void embed(std::span<const int32_t> ids, std::span<const int32_t> types, std::span<const gpu::row_span> sequences,
             const gpu::embedding_tables& tables, gpu::activations out) override {
    inner_.embed(ids, types, sequences, tables, out);
  }
  void linear(gpu::activations in, const gpu::linear_weights& weights, gpu::activation act,
              gpu::activations out) override {
    inner_.linear(in, weights, act, out);
  }
  void linear_add(gpu::activations in, const gpu::linear_weights& weights, gpu::activations out) override {
    inner_.linear_add(in, weights, out);
  }
  void attention(gpu::activations in, std::span<const gpu::row_span> sequences, uint32_t heads,
                 gpu::activations out) override {
    inner_.attention(in, sequences, heads, out);
    const core::mutex_lock lock(mutex_);
    ++attentions_;
    changed_.notify_all();
  }
  void layer_norm(gpu::activations inout, const gpu::norm_weights& weights) override {
    inner_.layer_norm(inout, weights);
  }
  void pool(gpu::activations in, std::span<const gpu::row_span> sequences, gpu::pooling how,
            gpu::activations out) override {
    inner_.pool(in, sequences, how, out);
  }
  void normalize(gpu::activations inout) override { inner_.normalize(inout); }
  void read(gpu::activations in, uint32_t row, std::span<float> out) override { inner_.read(in, row, out); }

private:
  gpu::kernels& inner_;
  core::mutex mutex_;
  core::condition changed_;
  unsigned attentions_ FASTPTM_GUARDED_BY(mutex_) = 0;
};

class watched_device final : public gpu::device {
public:
  explicit watched_device(gpu::device& inner) : inner_(inner), kernels_(inner.operators()) {}

  bool await_attentions(unsigned count) { return kernels_.await_attentions(count); }

  const gpu::device_info& info() const override { return inner_.info(); }
  gpu::arena& memory() override { return inner_.memory(); }
  gpu::kernels& operators() override { return kernels_; }
  core::result<std::unique_ptr<gpu::buffer>> allocate(uint64_t size_bytes) override {
    return inner_.allocate(size_bytes);
  }
  core::result<void> execute(std::function<void()> work) override { return inner_.execute(std::move(work)); }
  void warm(uint64_t used_bytes) override { inner_.warm(used_bytes); }

private:
  gpu::device& inner_;
  watched_kernels kernels_;
};

} // namespace fastptm::engine
