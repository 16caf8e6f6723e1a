// A small LRU of tokenizers by the digest of their files.
#include "rpc/texts.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace fastptm::rpc {

namespace {

core::result<std::shared_ptr<const engine::tokenizer>> load_card(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(engine::max_card_bytes + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (in.bad() || in.gcount() == 0) return core::fail(core::errc::io, "the model's tokenizer files cannot be read");
  bytes.resize(static_cast<size_t>(in.gcount()));
  auto made = engine::unpack_card(bytes, nullptr);
  if (!made) return core::fail(made.error());
  return std::shared_ptr<const engine::tokenizer>(std::move(*made));
}

} // namespace

kj::Promise<core::result<texts::shared_tokenizer>> texts::tokenizer_of(const actors::model_row& model) {
  if (model.card == core::digest{}) {
    return core::result<shared_tokenizer>(core::fail(
        core::errc::invalid, fmt::format("{} was published without tokenizer files: send token ids", model.name)));
  }
  const auto found =
      std::find_if(used_.begin(), used_.end(), [&](const auto& each) { return each.first == model.card; });
  if (found != used_.end()) {
    used_.splice(used_.begin(), used_, found);
    return core::result<shared_tokenizer>(used_.front().second);
  }
  return actors_.card_path(model.id).then(
      [this, card = model.card](core::result<std::string> path) -> kj::Promise<core::result<shared_tokenizer>> {
        if (!path) return core::result<shared_tokenizer>(core::fail(path.error()));
        return thread_.run([file = *path] { return load_card(file); })
            .then([this, card](core::result<shared_tokenizer> made) {
              if (made) remember(card, *made);
              return made;
            });
      });
}

void texts::remember(const core::digest& card, shared_tokenizer made) {
  const auto same = [&](const auto& each) { return each.first == card; };
  used_.remove_if(same); // two requests may have loaded it at once
  used_.emplace_front(card, std::move(made));
  if (used_.size() > most_) used_.pop_back();
}

kj::Promise<core::result<engine::encoding>> texts::encode(const actors::model_row& model, std::string text) {
  using encoded = core::result<engine::encoding>;
  return tokenizer_of(model).then([this, longest = model.max_tokens, text = std::move(text)](
                                      core::result<shared_tokenizer> with) mutable -> kj::Promise<encoded> {
    if (!with) return encoded(core::fail(with.error()));
    return thread_.run(
        [with = *with, longest, text = std::move(text)] { return encoded(with->encode(text, longest)); });
  });
}

} // namespace fastptm::rpc
