// Puts arena, kernels and executor of the host together.
#include "gpu/host/device.hpp"

#include "gpu/executor.hpp"
#include "gpu/host/kernels.hpp"
#include "gpu/host/memory.hpp"

namespace fastptm::gpu::host {

namespace {

// Warm beyond what is in use: a fast link takes some milliseconds for as much, and a node that has little to do is small.
constexpr uint64_t warm_ahead_bytes = 32 << 20;

class host_buffer final : public buffer {
public:
  explicit host_buffer(mapping memory) : memory_(std::move(memory)) {}
  core::memory_region region() const override { return memory_.region(); }

private:
  mapping memory_;
};

class host_device final : public device {
public:
  host_device(const device_options& options, isa set, mapping slab)
      : info_{options.name, device_kind::host, std::string(to_string(set)), options.threads}, slab_(std::move(slab)),
        arena_(slab_.region()), kernels_(options.threads, set), warmer_(slab_.region()),
        executor_(options.name, queue_bound) {}

  const device_info& info() const override { return info_; }
  arena& memory() override { return arena_; }
  kernels& operators() override { return kernels_; }

  core::result<std::unique_ptr<buffer>> allocate(uint64_t size_bytes) override {
    auto memory = mapping::make(size_bytes);
    if (!memory) return core::fail(std::move(memory.error()));
    populate(memory->region());
    return std::make_unique<host_buffer>(std::move(*memory));
  }

  core::result<void> execute(std::function<void()> work) override { return executor_.execute(std::move(work)); }

  void warm(uint64_t used_bytes) override { warmer_.reach(used_bytes + warm_ahead_bytes); }

private:
  const device_info info_;
  mapping slab_;
  arena arena_;
  host_kernels kernels_;
  page_warmer warmer_;
  executor executor_; // last: its work uses the others until it ends
};

} // namespace

core::result<std::unique_ptr<device>> make_host_device(const device_options& options, isa set) {
  if (options.threads == 0 || options.threads > 1024) {
    return core::fail(core::errc::invalid, "device " + options.name + ": threads must be between 1 and 1024");
  }
  auto slab = mapping::make(options.arena_bytes);
  if (!slab) return core::fail("device " + options.name, slab.error());
  return std::make_unique<host_device>(options, set, std::move(*slab));
}

} // namespace fastptm::gpu::host
