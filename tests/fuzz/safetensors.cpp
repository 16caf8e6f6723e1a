// Headers of safetensors files: what is accepted covers the file's data exactly once, tensor after tensor.
#include "weights/import/safetensors.hpp"

#include "core/check.hpp"
#include "tests/fuzz/bytes.hpp"

namespace fastptm::weights {
namespace {

void check_cover(const std::vector<safetensor>& tensors, uint64_t file_bytes) {
  uint64_t at = tensors.empty() ? file_bytes : tensors.front().offset_bytes;
  for (const auto& tensor : tensors) {
    core::check(!tensor.name.empty() && tensor.name.size() <= max_safetensors_name_bytes, "names are bounded");
    core::check(tensor.shape.size() <= max_safetensors_rank, "ranks are bounded");
    core::check(tensor.offset_bytes == at, "no hole, no overlap");
    core::check(tensor.size_bytes <= file_bytes - at, "no tensor leaves the file");
    at += tensor.size_bytes;
  }
  core::check(at == file_bytes, "nothing is left over");
}

} // namespace
} // namespace fastptm::weights

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fastptm;
  const fuzz::memory_file holding({reinterpret_cast<const char*>(data), size});
  const auto file = weights::regular_file::open(holding.path(), "model.safetensors");
  if (!file) return 0; // a Git LFS pointer
  if (const auto tensors = weights::read_safetensors_header(*file)) weights::check_cover(*tensors, size);
  return 0;
}
