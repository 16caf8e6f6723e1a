// Publishes synthetic models once; every world links their files.
#include "sim/world/model_shelf.hpp"

#include <fstream>
#include <span>
#include <system_error>

#include <fmt/format.h>

#include "core/log.hpp"
#include "sim/world/virtual_runner.hpp"
#include "weights/import/synthetic.hpp"
#include "weights/store/publisher.hpp"

namespace fastptm::sim::world {

namespace {

namespace fs = std::filesystem;

// Small, so that what is told of bytes costs more than the bytes: 44 KB in four shards.
constexpr weights::synthetic_shape shape{
    .hidden = 16, .layers = 2, .heads = 1, .intermediate = 32, .vocabulary = 256, .positions = 16};
constexpr uint32_t unlisted_models = 4;
constexpr const char* list_file = "list.sqlite";

core::error failure(const fs::path& path, const std::error_code& why) {
  return core::from_errno(why.value(), core::printable(path.string(), 200));
}

} // namespace

// -- the shelf --------------------------------------------------------------------------------------------------------

core::result<std::unique_ptr<shelf>> shelf::make(const fs::path& folder, uint32_t models) {
  auto made = model_shelf::make(folder, models);
  if (!made) return core::fail(made.error());
  return std::move(*made);
}

core::result<std::unique_ptr<model_shelf>> model_shelf::make(const fs::path& folder, uint32_t models) {
  auto kept = weights::content_store::open(folder / "store");
  if (!kept) return core::fail(kept.error());
  auto list = weights::catalogue::open(folder / "catalogue.sqlite");
  if (!list) return core::fail(list.error());
  auto made = std::unique_ptr<model_shelf>(new model_shelf(folder, std::move(*kept), std::move(*list)));
  auto unlisted = weights::catalogue::open(folder / "unlisted.sqlite");
  if (!unlisted) return core::fail(unlisted.error());
  made->listed_ = models;
  for (uint32_t i = 0; i < models + unlisted_models; ++i)
    if (auto done = made->publish(i, i < models ? made->catalogue : *unlisted); !done) return core::fail(done.error());
  if (auto written = made->write_own_list(); !written) return core::fail(written.error());
  return made;
}

core::result<void> model_shelf::publish(uint32_t number, weights::catalogue& to) {
  shelved_model made;
  made.name = fmt::format("m{}", number);
  made.folder = folder_ / fmt::format("model-{}", number);
  if (auto written = weights::write_synthetic_model(made.folder, shape, number + 1); !written)
    return core::fail(written.error());
  weights::publish_request request;
  request.folder = made.folder;
  request.tenant = "acme";
  request.name = made.name;
  auto done = weights::publish(request, store, to);
  if (!done) return core::fail(done.error());
  made.entry = done->entry;
  made.set = done->set;
  std::vector<std::span<const std::byte>> shards;
  for (const auto& shard : made.set.shards) shards.emplace_back(objects.bytes_of(store.object_path(shard.digest)));
  made.answer = answer_of(sum_of(made.set.arch, made.set.job), shards);
  models_.push_back(std::move(made));
  return {};
}

// What every world's catalogue begins as: closed, so that one file is all of it.
core::result<void> model_shelf::write_own_list() {
  auto list = weights::catalogue::open(folder_ / list_file);
  if (!list) return core::fail(list.error());
  for (const auto& model : listed())
    if (auto added = list->add(model.entry); !added) return core::fail(added.error());
  return {};
}

// -- a world's own ----------------------------------------------------------------------------------------------------

core::result<std::unique_ptr<own_disk>> own_disk::make(model_shelf& of) {
  const auto folder = of.folder_ / fmt::format("world-{}", ++of.disks_);
  auto kept = weights::content_store::open(folder);
  if (!kept) return core::fail(kept.error());
  std::error_code failed;
  const auto link = [&](const fs::path& file) { // no bytes are copied until something writes them anew
    if (!failed) fs::create_hard_link(of.folder_ / "store" / file, folder / file, failed);
  };
  for (const auto& model : of.listed()) {
    link(fs::path("sets") / model.entry.manifest.hex());
    for (const auto& shard : model.set.shards) link(fs::path("objects") / shard.digest.hex());
  }
  if (failed) return core::fail(failure(folder, failed));
  fs::copy_file(of.folder_ / list_file, folder / list_file, failed);
  if (failed) return core::fail(failure(folder, failed));
  auto list = weights::catalogue::open(folder / list_file);
  if (!list) return core::fail(list.error());
  return std::unique_ptr<own_disk>(new own_disk(folder, std::move(*kept), std::move(*list)));
}

own_disk::~own_disk() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

bool own_disk::rot(const fs::path& file, uint64_t choice) {
  std::error_code failed;
  const auto size_bytes = fs::file_size(file, failed);
  if (failed) return false;
  const auto damaged = folder_ / "damaged";
  fs::copy_file(file, damaged, failed); // the shelf keeps its own
  std::fstream bytes(damaged, std::ios::binary | std::ios::in | std::ios::out);
  const auto at = static_cast<std::streamoff>(choice % size_bytes);
  const auto was = bytes.seekg(at).get();
  bytes.seekp(at).put(static_cast<char>(was ^ (1 << (choice >> 61))));
  bytes.close();
  fs::rename(damaged, file, failed);
  return !failed;
}

fs::path own_disk::manifest_path(const core::digest& manifest) const {
  return folder_ / "sets" / manifest.hex();
}

} // namespace fastptm::sim::world
