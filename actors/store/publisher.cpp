// The one actor that may block.
#include "actors/store/publisher.hpp"

#include "core/log.hpp"
#include "engine/tokenizer.hpp"
#include "protocol/errors.hpp"

namespace fastptm::actors {

namespace {

// A model without tokenizer files is asked with token ids.
core::result<void> check_tokenizer(const std::filesystem::path& folder, uint32_t vocabulary) {
  if (!engine::has_tokenizer(folder)) return {};
  const auto loaded = engine::load_tokenizer(folder, vocabulary);
  if (!loaded) return core::fail(loaded.error());
  return {};
}

} // namespace

publisher::publisher(interface::pointer self, publisher_options options) : self_(self), options_(options) {}

publisher::interface::behavior_type publisher::make_behavior() {
  return {
      [this](const protocol::publish_request& request) { return on_publish(request); },
      [this](const local<row_removal>& removal) { return on_rows(*removal.value); },
      [this](const local<weights::leftovers>& left) { return on_leftovers(*left.value); },
      [this](protocol::stop_atom) { self_->quit(caf::exit_reason::user_shutdown); },
  };
}

caf::result<local<weights::publication>> publisher::on_publish(const protocol::publish_request& request) {
  weights::publish_request work;
  work.folder = request.folder;
  work.tenant = request.tenant;
  work.name = request.name;
  work.largest_arena_bytes = options_.largest_arena_bytes;
  work.host_cache_bytes = options_.host_cache_bytes;
  work.check_tokenizer = check_tokenizer;
  const auto spelled_out = request.special_is_text ? engine::special_tokens::text : engine::special_tokens::library;
  work.pack_card = [spelled_out](const std::filesystem::path& folder) {
    return engine::pack_card(folder, spelled_out);
  };
  auto published = weights::publish(work, *options_.store, *options_.catalogue);
  if (!published) {
    core::log::warn("publisher", "publish-failed", "{}/{}: {}", request.tenant, request.name,
                    published.error().message);
    return protocol::to_caf(published.error());
  }
  core::log::info("publisher", "published", "{}: {} bytes, {} new", published->entry.full_name(),
                  published->entry.total_bytes, published->new_bytes);
  if (published->restored_shards > 0 || published->manifest_restored)
    core::log::warn("publisher", "restored",
                    "{}: {} shards{} were damaged in the store and are whole again: check the disk of the state folder",
                    published->entry.full_name(), published->restored_shards,
                    published->manifest_restored ? " and the manifest" : "");
  return make_local(std::move(*published));
}

caf::result<bool> publisher::on_rows(const row_removal& removal) {
  if (auto removed = options_.catalogue->remove(removal.models); !removed) {
    core::log::warn("publisher", "unpublish-failed", "{}", removed.error().message);
    return protocol::to_caf(removed.error());
  }
  return true;
}

caf::result<uint64_t> publisher::on_leftovers(const weights::leftovers& left) {
  auto removed = weights::remove_leftovers(left, *options_.store, *options_.catalogue);
  if (!removed) {
    core::log::warn("publisher", "bytes-not-freed", "until the next start: {}", removed.error().message);
    return protocol::to_caf(removed.error());
  }
  core::log::info("publisher", "freed", "{} bytes in {} files that no model needs", removed->bytes, removed->files);
  return removed->bytes;
}

} // namespace fastptm::actors
