// What benchmarks need around them: a scratch folder, and a model that is given or written for the occasion.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "clients/cpp/client.hpp"
#include "core/error.hpp"

namespace fastptm::cli {

// A new folder below the system's temporary one; goes with the object.
class scratch_folder {
public:
  static core::result<std::unique_ptr<scratch_folder>> make();
  ~scratch_folder();
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

private:
  explicit scratch_folder(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path path_;
};

// MODELDIR as it stands; `synthetic:NAME` is written below `scratch` with seeded weights.
core::result<std::filesystem::path> bench_model(const std::string& model, const std::filesystem::path& scratch);

// Checks the folder and publishes it; the full name.
core::result<std::string> publish_folder(clients::tenant_client& client, const std::filesystem::path& folder,
                                         const std::string& name);

// The middle of an odd number of values, the upper middle of an even one. Requires: not empty.
template <class T> T median(std::vector<T> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

} // namespace fastptm::cli
