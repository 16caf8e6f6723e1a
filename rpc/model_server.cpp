// Checks of an input, tokenising, and the request to the tenant's actor.
#include "rpc/model_server.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "rpc/convert.hpp"

namespace fastptm::rpc {

namespace {

// The tenant answers at the latest one second after the deadline; this much more for the way there and back.
constexpr core::duration_us answer_margin_us = 1'500'000;
constexpr size_t key_bytes = 16;

actors::infer_reply refusal(const core::error& cause) {
  actors::infer_reply out;
  switch (cause.code) {
    case core::errc::invalid:
      out.end = actors::status::invalid;
      break;
    case core::errc::not_found:
      out.end = actors::status::not_found;
      break;
    case core::errc::permission_denied:
      out.end = actors::status::permission_denied;
      break;
    case core::errc::quota_exceeded:
      out.end = actors::status::quota_exceeded;
      break;
    case core::errc::deadline_exceeded:
      out.end = actors::status::deadline_exceeded;
      break;
    default:
      out.end = actors::status::unavailable;
      break;
  }
  out.error = cause.message;
  return out;
}

actors::infer_reply refusal(core::errc code, std::string text) {
  return refusal(core::error{code, std::move(text)});
}

std::vector<int32_t> copied(capnp::List<int32_t>::Reader from) {
  std::vector<int32_t> out;
  out.reserve(from.size());
  for (const auto each : from) out.push_back(each);
  return out;
}

} // namespace

kj::Promise<void> model_server::embed(EmbedContext context) {
  context.allowCancellation();
  auto reply = answer(context.getParams(), actors::task_kind::embed);
  context.releaseParams();
  return shared_.bounded(kj::mv(reply)).then([context](actors::infer_reply got) mutable {
    set_answer(context.getResults(), got, false);
  });
}

kj::Promise<void> model_server::classify(ClassifyContext context) {
  context.allowCancellation();
  auto reply = answer(context.getParams(), actors::task_kind::classify);
  context.releaseParams();
  return shared_.bounded(kj::mv(reply)).then([context](actors::infer_reply got) mutable {
    set_answer(context.getResults(), got, true);
  });
}

kj::Promise<actors::infer_reply> model_server::answer(schema::Request::Reader request, actors::task_kind task) {
  shared_.requests.add();
  if (task != row_.task) {
    return refusal(core::errc::invalid, fmt::format("{} is a model to {}", row_.name,
                                                    row_.task == actors::task_kind::embed ? "embed" : "classify"));
  }
  const auto asked_us = static_cast<core::duration_us>(std::min<uint64_t>(request.getDeadlineUs(), INT64_MAX));
  const auto deadline_us =
      asked_us == 0 ? shared_.options.default_deadline_us : std::min(asked_us, shared_.options.max_deadline_us);
  const auto key = request.getKey();
  if (key.size() != 0 && key.size() != key_bytes)
    return refusal(core::errc::invalid,
                   fmt::format("the key has {} bytes: send {} random ones, or none", key.size(), key_bytes));
  actors::infer_request asked{row_.name, task, {}, deadline_us, std::string(key.asChars().begin(), key.size()), 0};
  const auto input = request.getInput();
  if (input.isTokens()) {
    return send(copied(input.getTokens().getIds()), copied(input.getTokens().getTypes()), std::move(asked));
  }
  const auto text = input.getText();
  if (text.size() == 0) return refusal(core::errc::invalid, "the text is empty");
  if (text.size() > shared_.options.max_text_bytes) {
    return refusal(core::errc::invalid, fmt::format("the text has {} bytes, at most {} are read", text.size(),
                                                    shared_.options.max_text_bytes));
  }
  const auto began_us = core::monotonic_now_us();
  return shared_.tokenizers.encode(row_, std::string(text.begin(), text.size()))
      .then([this, asked = std::move(asked),
             began_us](core::result<engine::encoding> read) mutable -> kj::Promise<actors::infer_reply> {
        if (!read) return refusal(read.error());
        const auto took_us = core::monotonic_now_us() - began_us;
        asked.deadline_us = std::max<core::duration_us>(asked.deadline_us - took_us, 1);
        return send(std::move(read->ids), std::move(read->token_types), std::move(asked));
      });
}

core::result<void> model_server::check(const std::vector<int32_t>& ids, const std::vector<int32_t>& types) const {
  if (ids.empty()) return core::fail(core::errc::invalid, "the input has no tokens");
  if (ids.size() > row_.max_tokens) {
    return core::fail(core::errc::invalid, fmt::format("the input has {} tokens, {} takes at most {}", ids.size(),
                                                       row_.name, row_.max_tokens));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && static_cast<uint32_t>(ids[i]) < row_.vocabulary) continue;
    return core::fail(core::errc::invalid,
                      fmt::format("token id {} at {} is outside of the vocabulary of {}", ids[i], i, row_.vocabulary));
  }
  if (!types.empty() && types.size() != ids.size()) {
    return core::fail(core::errc::invalid, fmt::format("{} token types for {} ids", types.size(), ids.size()));
  }
  for (const auto type : types) {
    if (type >= 0 && static_cast<uint32_t>(type) < row_.token_types) continue;
    return core::fail(core::errc::invalid,
                      fmt::format("token type {}: {} has {} types", type, row_.name, row_.token_types));
  }
  return {};
}

kj::Promise<actors::infer_reply> model_server::send(std::vector<int32_t> ids, std::vector<int32_t> types,
                                                    actors::infer_request request) {
  if (auto good = check(ids, types); !good) return refusal(good.error());
  request.input = actors::encode_input(ids, types);
  const auto timeout_us = request.deadline_us + answer_margin_us;
  return shared_.actors.infer(tenant_, std::move(request), timeout_us)
      .then([](core::result<actors::infer_reply> reply) { return reply ? std::move(*reply) : refusal(reply.error()); });
}

} // namespace fastptm::rpc
