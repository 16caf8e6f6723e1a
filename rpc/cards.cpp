// A card is checked against its name when it is read, and what it says is kept.
#include "rpc/cards.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

namespace fastptm::rpc {

namespace {

// A usage is some hundred bytes, and at most a few MiB where a tenant names thousands of labels.
constexpr size_t usages_budget_bytes = 64 << 20;
constexpr size_t usage_overhead_bytes = 256;

// What reading a card costs, in bytes of texts: a tokenizer of some MiB is made in some tens of milliseconds.
constexpr uint64_t reading_bytes = 512 << 10;
// Worth it for whoever comes next, too.
constexpr core::time_us never_us = INT64_MAX;

struct sized_usage {
  cards::shared<weights::usage> how;
  size_t bytes = 0;
};

constexpr size_t most_card_bytes = weights::max_usage_bytes + engine::max_card_bytes + 4096; // and its head

// Lives as long as its parts do.
struct read_card {
  std::string bytes;
  weights::card_parts parts;
};

// Hashed as a whole: a card is read once, and everybody's texts go through it.
core::result<std::unique_ptr<read_card>> read_whole(const std::string& path, const core::digest& name) {
  std::error_code unknown;
  const auto file_bytes = std::filesystem::file_size(path, unknown);
  auto card = std::make_unique<read_card>();
  card->bytes.resize(unknown ? 0 : std::min<uintmax_t>(most_card_bytes, file_bytes));
  std::ifstream in(path, std::ios::binary);
  in.read(card->bytes.data(), static_cast<std::streamsize>(card->bytes.size()));
  if (in.bad() || in.gcount() == 0)
    return core::fail(core::errc::io, "the model's card cannot be read: publish the model again");
  card->bytes.resize(static_cast<size_t>(in.gcount()));
  auto parts = weights::split_card(card->bytes, name);
  if (!parts) return core::fail(parts.error());
  card->parts = std::move(*parts);
  return card;
}

core::result<cards::shared<engine::tokenizer>> load_tokenizer(const std::string& path, const core::digest& name) {
  const auto card = read_whole(path, name);
  if (!card) return core::fail(card.error());
  const auto tokenizer = (*card)->parts.tokenizer;
  if (tokenizer.empty()) return cards::shared<engine::tokenizer>();
  auto made = engine::unpack_card(tokenizer, std::nullopt);
  if (!made) return core::fail(made.error());
  return cards::shared<engine::tokenizer>(std::move(*made));
}

core::result<sized_usage> load_usage(const std::string& path, const core::digest& name) {
  const auto card = read_whole(path, name);
  if (!card) return core::fail(card.error());
  auto& parts = (*card)->parts;
  const auto size_bytes = (*card)->bytes.size() - parts.tokenizer.size();
  return sized_usage{std::make_shared<weights::usage>(std::move(parts.how)), size_bytes};
}

} // namespace

cards::cards(bridge& actors, text_queue& queue, size_t most_tokenizers)
    : actors_(actors), queue_(queue), tokenizers_(most_tokenizers), usages_(usages_budget_bytes) {}

template <class T>
kj::Promise<core::result<T>> cards::read(const protocol::model_row& model,
                                         core::result<T> (*load)(const std::string& path, const core::digest& name)) {
  return actors_.card_path(model.id).then([this, tenant = model.tenant, name = model.card, load](
                                              core::result<std::string> path) mutable -> kj::Promise<core::result<T>> {
    if (!path) return core::result<T>(core::fail(path.error()));
    return queue_.run({tenant, reading_bytes, never_us},
                      [load, name, file = std::move(*path)] { return load(file, name); });
  });
}

kj::Promise<core::result<cards::shared<engine::tokenizer>>> cards::tokenizer_of(const protocol::model_row& model) {
  using found = core::result<shared<engine::tokenizer>>;
  const auto none = [name = model.name] {
    return found(
        core::fail(core::errc::invalid, fmt::format("{} was published without tokenizer files: send token ids", name)));
  };
  if (model.card == core::digest{}) return none();
  if (auto known = tokenizers_.find(model.card)) return found(std::move(*known));
  return read<shared<engine::tokenizer>>(model, load_tokenizer).then([this, none, card = model.card](found made) {
    if (!made) return made;
    if (*made == nullptr) return none();
    tokenizers_.add(card, *made, 1);
    return made;
  });
}

kj::Promise<core::result<cards::shared<weights::usage>>> cards::usage_of(const protocol::model_row& model) {
  using found = core::result<shared<weights::usage>>;
  if (model.card == core::digest{}) return found(std::make_shared<weights::usage>());
  if (auto known = usages_.find(model.card)) return found(std::move(*known));
  return read<sized_usage>(model, load_usage).then([this, card = model.card](core::result<sized_usage> made) {
    if (!made) return found(core::fail(made.error()));
    usages_.add(card, made->how, made->bytes + usage_overhead_bytes);
    return found(made->how);
  });
}

} // namespace fastptm::rpc
