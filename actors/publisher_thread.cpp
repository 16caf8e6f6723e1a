// The one actor that may block.
#include "actors/publisher_thread.hpp"

#include "actors/errors.hpp"
#include "core/log.hpp"
#include "engine/tokenizer.hpp"

namespace fastptm::actors {

namespace {

// A model without tokenizer files is asked with token ids.
core::result<void> check_tokenizer(const std::filesystem::path& folder, const weights::architecture& arch) {
  if (!engine::has_tokenizer(folder)) return {};
  const auto loaded = engine::load_tokenizer(folder, &arch);
  if (!loaded) return core::fail(loaded.error());
  return {};
}

} // namespace

publisher_thread::publisher_thread(interface::pointer self, publisher_options options)
    : self_(self), options_(std::move(options)) {}

publisher_thread::interface::behavior_type publisher_thread::make_behavior() {
  return {
      [this](const publish_request& request) { return on_publish(request); },
      [this](stop_atom) { self_->quit(caf::exit_reason::user_shutdown); },
  };
}

caf::result<local<weights::publication>> publisher_thread::on_publish(const publish_request& request) {
  weights::publish_request work;
  work.folder = request.folder;
  work.tenant = request.tenant;
  work.name = request.name;
  work.largest_arena_bytes = options_.largest_arena_bytes;
  work.check_tokenizer = check_tokenizer;
  work.pack_card = engine::pack_card;
  auto published = weights::publish(work, *options_.store, *options_.catalogue);
  if (!published) {
    core::log::warn("publisher", "publish-failed", "{}/{}: {}", request.tenant, request.name,
                    published.error().message);
    return to_caf(published.error());
  }
  core::log::info("publisher", "published", "{}: {} bytes, {} new", published->entry.full_name(),
                  published->entry.total_bytes, published->new_bytes);
  return make_local(std::move(*published));
}

} // namespace fastptm::actors
