// Reads a usage without the tokenizer's files behind it: classifying ids needs no more.
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

core::result<std::string> read_beginning(const std::string& path, size_t most_bytes) {
  std::error_code unknown;
  const auto file_bytes = std::filesystem::file_size(path, unknown);
  std::ifstream in(path, std::ios::binary);
  std::string bytes(unknown ? 0 : std::min<uintmax_t>(most_bytes, file_bytes), '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.bad() || in.gcount() == 0)
    return core::fail(core::errc::io, "the model's card cannot be read: publish the model again");
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

core::result<cards::shared<engine::tokenizer>> load_tokenizer(const std::string& path) {
  const auto bytes = read_beginning(path, weights::card_head_bytes + weights::max_usage_bytes + engine::max_card_bytes);
  if (!bytes) return core::fail(bytes.error());
  const auto parts = weights::split_card(*bytes);
  if (!parts) return core::fail(parts.error());
  if (parts->tokenizer.empty()) return cards::shared<engine::tokenizer>();
  auto made = engine::unpack_card(parts->tokenizer, std::nullopt);
  if (!made) return core::fail(made.error());
  return cards::shared<engine::tokenizer>(std::move(*made));
}

core::result<sized_usage> load_usage(const std::string& path) {
  const auto head = read_beginning(path, weights::card_head_bytes);
  if (!head) return core::fail(head.error());
  const auto size_bytes = weights::usage_end(*head);
  if (!size_bytes) return core::fail(size_bytes.error());
  if (*size_bytes == 0) return sized_usage{std::make_shared<weights::usage>(), 0};
  const auto bytes = read_beginning(path, *size_bytes);
  if (!bytes) return core::fail(bytes.error());
  auto parts = weights::split_card(*bytes);
  if (!parts) return core::fail(parts.error());
  return sized_usage{std::make_shared<weights::usage>(std::move(parts->how)), *size_bytes};
}

} // namespace

cards::cards(bridge& actors, text_queue& queue, size_t most_tokenizers)
    : actors_(actors), queue_(queue), tokenizers_(most_tokenizers), usages_(usages_budget_bytes) {}

template <class T>
kj::Promise<core::result<T>> cards::read(const protocol::model_row& model,
                                         std::function<core::result<T>(const std::string& path)> load) {
  return actors_.card_path(model.id).then([this, tenant = model.tenant, load = std::move(load)](
                                              core::result<std::string> path) mutable -> kj::Promise<core::result<T>> {
    if (!path) return core::result<T>(core::fail(path.error()));
    return queue_.run({tenant, reading_bytes, never_us},
                      [load = std::move(load), file = std::move(*path)] { return load(file); });
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
