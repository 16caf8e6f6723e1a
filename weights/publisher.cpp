// One pass over the data: read, check, checksum, hash and write chunk by chunk. The catalogue's row comes last.
#include "weights/publisher.hpp"

#include <algorithm>
#include <ctime>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "weights/hash.hpp"
#include "weights/image_reader.hpp"

namespace fastptm::weights {

namespace {

// Objects that this publication brought; takes them back unless it was completed.
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
    progress_.total_bytes = plan.total_bytes();
    result_.set = {.arch = plan.arch, .job = plan.job, .shards = {}};
    for (const auto& shard : plan.shards) {
      if (auto ok = write_shard(plan, shard); !ok) return core::fail(ok.error());
    }
    auto ok = write_card().and_then([&] { return write_manifest(); }).and_then([&] { return write_row(); });
    if (!ok) return core::fail(ok.error());
    made_.complete();
    return std::move(result_);
  }

private:
  void report(uint64_t more_bytes) {
    progress_.done_bytes += more_bytes;
    if (observe_) observe_(progress_);
  }

  core::result<void> write_shard(const import_plan& plan, const shard_import& shard) {
    auto writer = store_.begin_object();
    if (!writer) return core::fail(writer.error());
    const uint64_t size_bytes = shard.layout.size_bytes;
    shard_entry entry{.digest = {}, .size_bytes = size_bytes, .chunk_checksums = {}};
    for (uint64_t at = 0; at < size_bytes; at += chunk_bytes) {
      const auto chunk = std::span(buffer_).first(std::min(chunk_bytes, size_bytes - at));
      if (auto ok = read_image(plan, shard, at, chunk); !ok) return ok;
      entry.chunk_checksums.push_back(chunk_checksum(chunk.data(), chunk.size()));
      if (auto ok = writer->append(chunk); !ok) return ok;
      report(chunk.size());
    }
    const auto object = writer->commit();
    if (!object) return core::fail(object.error());
    made_.add_object(*object);
    if (object->is_new) {
      ++result_.new_shards;
      result_.new_bytes += size_bytes;
    }
    entry.digest = object->digest;
    result_.set.shards.push_back(std::move(entry));
    return {};
  }

  core::result<void> write_card() {
    if (!request_.pack_card) return {};
    const auto card = request_.pack_card(request_.folder);
    if (!card) return core::fail(card.error());
    if (card->empty()) return {};
    const auto object = store_.put_object(*card);
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
    report(0);
    return store_.sync();
  }

  core::result<void> write_row() {
    auto& entry = result_.entry;
    entry.tenant = request_.tenant;
    entry.name = request_.name;
    entry.total_bytes = result_.set.total_bytes();
    entry.shard_count = static_cast<uint32_t>(result_.set.shards.size());
    entry.architecture = name_of(result_.set.arch);
    entry.task = to_string(result_.set.job.kind);
    entry.published_at_unix_s = std::time(nullptr);
    report(0);
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
  std::vector<std::byte> buffer_ = std::vector<std::byte>(chunk_bytes);
  publish_progress progress_;
  publication result_;
};

core::result<void> check_fits(const import_plan& plan, uint64_t largest_arena_bytes) {
  if (largest_arena_bytes == 0 || plan.total_bytes() <= largest_arena_bytes) return {};
  return core::fail(core::errc::does_not_fit,
                    fmt::format("the model has {} bytes, and the largest device's arena {}: enlarge the arena",
                                plan.total_bytes(), largest_arena_bytes));
}

} // namespace

core::result<publication> publish(const publish_request& request, content_store& store, catalogue& models,
                                  const publish_observer& observe) {
  if (auto ok = check_name("tenant", request.tenant).and_then([&] { return check_name("model", request.name); }); !ok) {
    return core::fail(ok.error());
  }
  const auto plan = inspect(request.folder, request.check_tokenizer);
  if (!plan) return core::fail(plan.error());
  if (auto ok = check_fits(*plan, request.largest_arena_bytes); !ok) return core::fail(ok.error());
  const auto turn = store.publishing();
  return publication_run(request, store, models, observe).run(*plan);
}

} // namespace fastptm::weights
