// A growing buffer handed out front to back; see workspace.hpp.
#include "models/skeleton/workspace.hpp"

#include "core/check.hpp"

namespace fastptm::models {

core::result<void> workspace::reserve(uint64_t size_bytes) {
  used_bytes_ = 0;
  if (buffer_ != nullptr && buffer_->region().size_bytes >= size_bytes) return {};
  buffer_.reset(); // First: both together might not fit.
  auto larger = device_.allocate(size_bytes);
  if (!larger) return core::fail("activations of " + device_.info().name, larger.error());
  buffer_ = std::move(*larger);
  return {};
}

gpu::activations workspace::take(uint32_t rows, uint32_t features) {
  const uint64_t size_bytes = device_.operators().activation_bytes(rows, features);
  core::check(buffer_ != nullptr && used_bytes_ + size_bytes <= buffer_->region().size_bytes,
              "a skeleton reserves what it takes");
  const gpu::activations taken{buffer_->region().slice(used_bytes_, size_bytes), rows, features};
  used_bytes_ += size_bytes;
  return taken;
}

} // namespace fastptm::models
