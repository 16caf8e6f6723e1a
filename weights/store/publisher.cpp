// One pass over the data: read, check, checksum, hash and write chunk by chunk, a few shards at a time.
// The catalogue's row comes last.
#include "weights/store/publisher.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/mutex.hpp"
#include "core/names.hpp"
#include "weights/format/hash.hpp"
#include "weights/import/image_reader.hpp"

namespace fastptm::weights {

namespace {

constexpr size_t max_threads = 4; // more than a disk can follow

// Objects that this publication brought; takes them back unless it was completed. What it restored stays: other models
// need it.
class new_objects {
public:
  explicit new_objects(content_store& store) : store_(store) {}
  ~new_objects() {
    if (is_complete_) return;
    for (const auto& name : objects_) store_.discard_object(name);
    for (const auto& name : manifests_) store_.discard_manifest(name);
  }
  new_objects(const new_objects&) = delete;
  new_objects& operator=(const new_objects&) = delete;

  void add_object(const stored_object& object) {
    if (object.is_new) objects_.push_back(object.digest);
  }
  void add_manifest(const stored_object& object) {
    if (object.is_new) manifests_.push_back(object.digest);
  }
  void complete() { is_complete_ = true; }

private:
  content_store& store_;
  std::vector<core::digest> objects_;
  std::vector<core::digest> manifests_;
  bool is_complete_ = false;
};

class publication_run {
public:
  publication_run(const publish_request& request, content_store& store, catalogue& models,
                  const publish_observer& observe)
      : request_(request), store_(store), models_(models), observe_(observe), made_(store) {}

  core::result<publication> run(const import_plan& plan) {
    {
      const core::mutex_lock turn(observing_);
      progress_.total_bytes = plan.total_bytes();
    }
    result_.set = {.arch = plan.arch, .job = plan.job, .shards = {}};
    result_.entry.architecture = plan.facts.name;
    auto ok = write_shards(plan)
                  .and_then([&] { return write_card(plan); })
                  .and_then([&] { return write_manifest(); })
                  .and_then([&] { return write_row(); });
    if (!ok) return core::fail(ok.error());
    made_.complete();
    return std::move(result_);
  }

private:
  struct written_shard {
    shard_entry entry;
    stored_object object;
  };

  void report(uint64_t more_bytes) {
    const core::mutex_lock turn(observing_);
    progress_.done_bytes += more_bytes;
    if (observe_) observe_(progress_);
  }

  // Shards are independent, and hashing one takes longer than writing it: several at a time.
  core::result<void> write_shards(const import_plan& plan) {
    std::vector<core::result<written_shard>> written(plan.shards.size());
    std::atomic<size_t> next{0};
    const auto work = [&] {
      std::vector<std::byte> buffer(chunk_bytes);
      for (size_t i = next++; i < written.size(); i = next++) {
        written[i] = write_shard(plan, plan.shards[i], buffer);
        if (!written[i]) next = written.size(); // the others finish what they are at
      }
    };
    {
      const size_t count = std::min<size_t>({max_threads, std::thread::hardware_concurrency(), written.size()});
      std::vector<std::jthread> helpers;
      for (size_t i = 1; i < count; ++i) helpers.emplace_back(work);
      work();
    }
    return take(written);
  }

  core::result<void> take(std::vector<core::result<written_shard>>& written) {
    for (const auto& shard : written) {
      if (shard) made_.add_object(shard->object);
    }
    for (auto& shard : written) {
      if (!shard) return core::fail(shard.error());
      if (shard->object.is_new) {
        ++result_.new_shards;
        result_.new_bytes += shard->entry.size_bytes;
      }
      result_.restored_shards += shard->object.is_restored;
      result_.set.shards.push_back(std::move(shard->entry));
    }
    return {};
  }

  core::result<written_shard> write_shard(const import_plan& plan, const shard_import& shard,
                                          std::span<std::byte> buffer) {
    auto writer = store_.begin_object();
    if (!writer) return core::fail(writer.error());
    const uint64_t size_bytes = shard.layout.size_bytes;
    written_shard written{.entry = {.digest = {}, .size_bytes = size_bytes, .chunk_checksums = {}}, .object = {}};
    for (uint64_t at = 0; at < size_bytes; at += chunk_bytes) {
      const auto chunk = buffer.first(std::min(chunk_bytes, size_bytes - at));
      if (auto ok = read_image(plan, shard, at, chunk); !ok) return core::fail(ok.error());
      written.entry.chunk_checksums.push_back(chunk_checksum(chunk.data(), chunk.size()));
      if (auto ok = writer->append(chunk); !ok) return core::fail(ok.error());
      report(chunk.size());
    }
    const auto object = writer->commit();
    if (!object) return core::fail(object.error());
    written.object = *object;
    written.entry.digest = object->digest;
    return written;
  }

  core::result<void> write_card(const import_plan& plan) {
    std::string tokenizer;
    if (request_.pack_card) {
      auto packed = request_.pack_card(request_.folder / plan.transformer_folder);
      if (!packed) return core::fail(packed.error());
      tokenizer = std::move(*packed);
    }
    const auto card = join_card(plan.how, tokenizer);
    if (card.empty()) return {};
    const auto object = store_.put_object(card);
    if (!object) return core::fail(object.error());
    made_.add_object(*object);
    result_.entry.card = object->digest;
    report(0);
    return {};
  }

  core::result<void> write_manifest() {
    const auto object = store_.put_manifest(result_.set);
    if (!object) return core::fail(object.error());
    made_.add_manifest(*object);
    result_.entry.manifest = object->digest;
    result_.manifest_restored = object->is_restored;
    report(0);
    return store_.sync();
  }

  core::result<void> write_row() {
    auto& entry = result_.entry;
    entry.tenant = request_.tenant;
    entry.name = request_.name;
    entry.total_bytes = result_.set.total_bytes();
    entry.shard_count = static_cast<uint32_t>(result_.set.shards.size());
    entry.task = to_string(result_.set.job.kind);
    entry.published_at_unix_s = std::time(nullptr);
    report(0);
    std::error_code unknown;
    if (!std::filesystem::exists(request_.folder, unknown))
      return core::fail(core::errc::cancelled, "the upload was withdrawn");
    auto added = models_.add(entry);
    if (!added) return core::fail(added.error());
    entry = std::move(*added);
    return {};
  }

  const publish_request& request_;
  content_store& store_;
  catalogue& models_;
  const publish_observer& observe_;

  new_objects made_;
  // The writers of shards report their progress.
  core::mutex observing_;
  publish_progress progress_ FASTPTM_GUARDED_BY(observing_);

  publication result_;
};

core::result<void> check_fits(const import_plan& plan, const publish_request& request) {
  if (request.largest_arena_bytes > 0 && plan.total_bytes() > request.largest_arena_bytes)
    return core::fail(core::errc::does_not_fit,
                      fmt::format("the model has {} bytes, and the largest device's arena {}: enlarge the arena",
                                  plan.total_bytes(), request.largest_arena_bytes));
  uint64_t largest_shard_bytes = 0;
  for (const auto& shard : plan.shards) largest_shard_bytes = std::max(largest_shard_bytes, shard.layout.size_bytes);
  if (request.host_cache_bytes > 0 && largest_shard_bytes > request.host_cache_bytes)
    return core::fail(core::errc::does_not_fit,
                      fmt::format("the model has a shard of {} bytes, and the host cache, which every shard comes "
                                  "through, has {}: set hostCacheMib of the store's node to {} or more",
                                  largest_shard_bytes, request.host_cache_bytes, (largest_shard_bytes >> 20) + 1));
  return {};
}

} // namespace

core::result<publication> publish(const publish_request& request, content_store& store, catalogue& models,
                                  const publish_observer& observe) {
  if (auto ok = core::check_name("tenant", request.tenant); !ok) return core::fail(ok.error());
  if (auto ok = core::check_name("model", request.name); !ok) return core::fail(ok.error());
  const auto plan = inspect(request.folder, request.check_tokenizer);
  if (!plan) return core::fail(plan.error());
  if (auto ok = check_fits(*plan, request); !ok) return core::fail(ok.error());
  const core::mutex_lock turn(store.publishing());
  return publication_run(request, store, models, observe).run(*plan);
}

} // namespace fastptm::weights
