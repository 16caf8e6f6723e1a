// Checks of an input, tokenising, and the request to the tenant's actor.
#include "rpc/model_server.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/input_limits.hpp"
#include "core/patience.hpp"
#include "rpc/part_sender.hpp"

namespace fastptm::rpc {

namespace {

constexpr size_t key_bytes = 16;
// Until some of what waits has been read.
constexpr core::duration_us quota_retry_us = 100'000;

told_answer refused(const core::error& cause) {
  const auto retry_after_us = cause.code == core::errc::quota_exceeded ? quota_retry_us : 0;
  return {{core::status_of(cause.code), cause.message, retry_after_us, {}, {}}, 0, false, nullptr};
}

told_answer refused(core::errc code, std::string text) {
  return refused(core::error{code, std::move(text)});
}

std::string copied(capnp::Text::Reader from) {
  return {from.begin(), from.size()};
}

std::vector<int32_t> copied(capnp::List<int32_t>::Reader from) {
  std::vector<int32_t> out;
  out.reserve(from.size());
  for (const auto each : from) out.push_back(each);
  return out;
}

protocol::task_kind task_of(schema::Task::Reader from) {
  if (from.isClassify()) return protocol::task_kind::classify;
  return from.isGenerate() ? protocol::task_kind::generate : protocol::task_kind::embed;
}

} // namespace

kj::Promise<void> model_server::ask(AskContext context) {
  context.allowCancellation();
  const auto parameters = context.getParams();
  const auto task = task_of(parameters.getTask());
  auto sender = parameters.hasParts() ? kj::heap<part_sender>(parameters.getParts()) : kj::Own<part_sender>();
  auto* const parts = sender.get();
  auto reply = answer(parameters.getRequest(), task, parts);
  context.releaseParams();
  return shared_.bounded(kj::mv(reply))
      .then([context, task, parts](const told_answer& got) mutable {
        set_answer(context.getResults().initAnswer(), got, task == protocol::task_kind::classify);
        return parts != nullptr ? parts->sent() : kj::READY_NOW;
      })
      .attach(kj::mv(sender), account_.begin(call_kind::request));
}

kj::Promise<told_answer> model_server::answer(schema::Request::Reader request, protocol::task_kind task,
                                              part_sender* parts) {
  shared_.requests.add();
  if (task != row_.task) {
    return refused(core::errc::invalid, fmt::format("{} is asked by `fastptm {}`", row_.name, to_string(row_.task)));
  }
  const auto asked_us = static_cast<core::duration_us>(std::min<uint64_t>(request.getDeadlineUs(), INT64_MAX));
  const auto deadline_us =
      asked_us == 0 ? shared_.options.default_deadline_us : std::min(asked_us, shared_.options.max_deadline_us);
  const auto key = request.getKey();
  if (key.size() != 0 && key.size() != key_bytes)
    return refused(core::errc::invalid,
                   fmt::format("the key has {} bytes: send {} random ones, or none", key.size(), key_bytes));
  protocol::infer_request asked{row_.name, task, {}, deadline_us, std::string(key.asChars().begin(), key.size()),
                                0,         {}};
  const auto input = request.getInput();
  if (input.isTokens()) {
    if (request.getPrompt().size() > 0)
      return refused(core::errc::invalid, "a prompt stands before a text: send a text, or ids without a prompt");
    text_tokens tokens;
    tokens.read.ids = copied(input.getTokens().getIds());
    tokens.read.token_types = copied(input.getTokens().getTypes());
    return send(tokens, std::move(asked), parts);
  }
  auto text = text_of(request, task);
  if (!text) return refused(text.error());
  return answer_text(std::move(*text), std::move(asked), parts);
}

core::result<text_input> model_server::text_of(schema::Request::Reader request, protocol::task_kind task) const {
  const auto input = request.getInput();
  text_input text;
  text.prompt = copied(request.getPrompt());
  if (input.isPair()) {
    if (task != protocol::task_kind::classify)
      return core::fail(core::errc::invalid, "two texts are read together only to classify: embed them one by one");
    text.first = copied(input.getPair().getFirst());
    text.second = copied(input.getPair().getSecond());
  } else {
    text.first = copied(input.getText());
  }
  const size_t size = text.first.size() + (text.second ? text.second->size() : 0);
  if (size > shared_.options.max_text_bytes)
    return core::fail(core::errc::invalid,
                      fmt::format("the text has {} bytes, at most {} are read", size, shared_.options.max_text_bytes));
  return text;
}

kj::Promise<told_answer> model_server::answer_text(text_input input, protocol::infer_request asked,
                                                   part_sender* parts) {
  const auto began_us = core::monotonic_now_us();
  return shared_.tokenizers.encode(row_, std::move(input), began_us + asked.deadline_us)
      .then([this, asked = std::move(asked), parts,
             began_us](const core::result<text_tokens>& tokens) mutable -> kj::Promise<told_answer> {
        if (!tokens) return refused(tokens.error());
        if (tokens->read.truncated) shared_.cut_texts.add();
        const auto took_us = core::monotonic_now_us() - began_us;
        asked.deadline_us = std::max<core::duration_us>(asked.deadline_us - took_us, 1);
        return send(*tokens, std::move(asked), parts);
      });
}

kj::Promise<told_answer> model_server::send(const text_tokens& tokens, protocol::infer_request asked,
                                            part_sender* parts) {
  const auto& read = tokens.read;
  const core::input_limits limits{row_.name, row_.max_tokens, row_.vocabulary, row_.token_types};
  if (auto good = core::check_input(limits, read.ids, read.token_types, tokens.unpooled); !good)
    return refused(good.error());
  asked.input = protocol::encode_input(read.ids, read.token_types, tokens.unpooled);
  const auto timeout_us = asked.deadline_us + core::gateway_patience_us;
  bridge::part_taken take_part;
  if (parts != nullptr) take_part = [parts](const protocol::answer_part& part) { parts->send(part); };
  return shared_.actors.infer(account_.name(), std::move(asked), timeout_us, std::move(take_part))
      .then([this, count = static_cast<uint32_t>(read.ids.size()),
             truncated = read.truncated](core::result<protocol::infer_reply> reply) -> kj::Promise<told_answer> {
        if (!reply) return refused(reply.error());
        told_answer told{std::move(*reply), 0, truncated, nullptr};
        if (!told.reply.output.bytes.empty()) told.tokens = count;
        if (row_.task == protocol::task_kind::embed) return kj::mv(told);
        return with_labels(std::move(told));
      });
}

kj::Promise<told_answer> model_server::with_labels(told_answer told) {
  using usage = core::result<cards::shared<weights::usage>>;
  return shared_.tokenizers.usage_of(row_).then([told = std::move(told)](usage how) mutable {
    // An answer without names is worth more than none.
    if (how) told.how = std::move(*how);
    return kj::mv(told);
  });
}

} // namespace fastptm::rpc
