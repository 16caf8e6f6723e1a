// A short list: a tenant has one token, and for a while the one before.
#include "rpc/token_book.hpp"

#include <algorithm>

#include "core/log.hpp"
#include "rpc/same_secret.hpp"

namespace fastptm::rpc {

const token_book::entry* token_book::find(capnp::Text::Reader sent) const {
  const auto found =
      std::find_if(good_.begin(), good_.end(), [&](const auto& each) { return same_secret(sent, each.token.secret); });
  return found == good_.end() ? nullptr : &*found;
}

void token_book::replace(std::vector<tenant_token> good) {
  std::vector<entry> fresh;
  fresh.reserve(good.size());
  for (auto& token : good) fresh.push_back(known_or_new(std::move(token)));
  std::swap(good_, fresh);
  ends_.clear();
  for (const auto& each : good_)
    if (each.token.left_us) ends_.push_back(forget_at_its_end(each.number, *each.token.left_us));
  for (const auto& former : fresh) {
    const auto stays = [&](const entry& each) { return each.number == former.number; };
    if (std::none_of(good_.begin(), good_.end(), stays)) listener_(former.number);
  }
}

token_book::entry token_book::known_or_new(tenant_token token) {
  const auto found = std::find_if(good_.begin(), good_.end(), [&](const auto& each) {
    return each.token.tenant == token.tenant && each.token.secret == token.secret;
  });
  const auto number = found == good_.end() ? ++last_number_ : found->number;
  return {std::move(token), number};
}

kj::Promise<void> token_book::forget_at_its_end(uint64_t number, core::duration_us left_us) {
  return timer_.afterDelay(left_us * kj::MICROSECONDS)
      .then([this, number] { forget(number); })
      .eagerlyEvaluate([](kj::Exception&& exception) {
        core::log::error("rpc", "token-end", "{}", exception.getDescription().cStr());
      });
}

void token_book::forget(uint64_t number) {
  std::erase_if(good_, [&](const auto& each) { return each.number == number; });
  listener_(number);
}

} // namespace fastptm::rpc
