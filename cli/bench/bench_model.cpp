// Synthetic folders and their publication.
#include "cli/bench/bench_model.hpp"

#include <cerrno>
#include <cstdlib>

#include "weights/import/import_plan.hpp"
#include "weights/import/synthetic.hpp"

namespace fastptm::cli {

core::result<std::unique_ptr<scratch_folder>> scratch_folder::make() {
  std::error_code trouble;
  auto pattern = (std::filesystem::temp_directory_path(trouble) / "fastptm-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return core::fail(core::from_errno(errno, pattern));
  return std::unique_ptr<scratch_folder>(new scratch_folder(pattern));
}

scratch_folder::~scratch_folder() {
  std::error_code trouble;
  std::filesystem::remove_all(path_, trouble);
}

core::result<std::filesystem::path> bench_model(const std::string& model, const std::filesystem::path& scratch) {
  constexpr std::string_view prefix = "synthetic:";
  if (!model.starts_with(prefix)) return std::filesystem::path(model);
  const auto shape = weights::synthetic_shape_named(model.substr(prefix.size()));
  if (!shape) return core::fail(shape.error());
  auto folder = scratch / "model";
  if (auto written = weights::write_synthetic_model(folder, *shape, 1); !written) return core::fail(written.error());
  return folder;
}

core::result<std::string> publish_folder(clients::tenant_client& client, const std::filesystem::path& folder,
                                         const std::string& name) {
  std::vector<clients::upload_file> files;
  {
    const auto plan = weights::inspect(folder);
    if (!plan) return core::fail(plan.error());
    for (const auto& file : plan->uploads) files.push_back({folder / file.path, file.path, file.size_bytes});
  }
  const auto published = client.publish(name, files, {});
  if (!published) return core::fail(published.error());
  return published->model;
}

} // namespace fastptm::cli
