// A device of a world: an arena and nothing else, for the runner beside it computes nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "gpu/device.hpp"

namespace fastptm::sim::world {

// No thread of its own; belongs to the one that makes it.
class virtual_device final : public gpu::device {
public:
  virtual_device(const std::string& name, uint64_t arena_bytes);

  const gpu::device_info& info() const override { return info_; }
  gpu::arena& memory() override { return arena_; }
  gpu::kernels& operators() override;
  core::result<std::unique_ptr<gpu::buffer>> allocate(uint64_t size_bytes) override;
  core::result<void> execute(std::function<void()> work) override;
  void warm(uint64_t) override {}

private:
  struct free_bytes {
    void operator()(std::byte* bytes) const;
  };

  const gpu::device_info info_;
  const std::unique_ptr<std::byte, free_bytes> slab_;
  gpu::arena arena_;
};

} // namespace fastptm::sim::world
