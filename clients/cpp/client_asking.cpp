// One request after the other way: connect, look the model up, send, and come again until the deadline.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <kj/debug.h>

#include "clients/cpp/client_state.hpp"
#include "core/patience.hpp"
#include "core/random.hpp"

namespace fastptm::clients {

namespace {

// Until a session tells the cluster's own.
constexpr core::duration_us assumed_deadline_us = 3'000'000;
// A request that breaks whatever reads it must not do so until its deadline;
// a head that dies more often has other troubles.
constexpr uint32_t most_breaks = 8;

answer not_answered(std::string status, std::string error) {
  answer out;
  out.status = std::move(status);
  out.error = std::move(error);
  return out;
}

std::string text_of(capnp::Text::Reader from) {
  return {from.begin(), from.size()};
}

std::vector<float> floats_of(capnp::Data::Reader bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), bytes.begin(), values.size() * sizeof(float));
  return values;
}

// Lives as long as the cluster may send parts of one try.
class part_receiver final : public schema::Parts::Server {
public:
  explicit part_receiver(tenant_client::part_taken take) : take_(std::move(take)) {}

protected:
  kj::Promise<void> part(PartContext context) override {
    const auto from = context.getParams();
    answer_part got{.first = from.getFirst(), .ids = {}, .output = floats_of(from.getOutput())};
    for (const auto id : from.getIds()) got.ids.push_back(id);
    take_(std::move(got));
    return kj::READY_NOW;
  }

private:
  const tenant_client::part_taken take_;
};

void set_task(schema::Task::Builder to, core::task_kind task) {
  switch (task) {
    case core::task_kind::embed:
      return to.setEmbed();
    case core::task_kind::classify:
      return to.setClassify();
    case core::task_kind::generate:
      to.initGenerate();
  }
}

answer from_schema(schema::Answer::Reader from) {
  answer out;
  out.status = to_string(from.getOutcome().getStatus());
  out.error = from.getOutcome().getError().cStr();
  out.retry_after_us = from.getOutcome().getRetryAfterUs();
  out.output = floats_of(from.getOutput());
  out.label = from.getLabel();
  out.label_name = text_of(from.getLabelName());
  for (const auto each : from.getLabels()) out.labels.push_back({text_of(each.getName()), each.getScore()});
  out.tokens = from.getTokens();
  out.truncated = from.getTruncated();
  out.node = from.getNode().cStr();
  out.loaded = from.getLoaded();
  out.queue_us = from.getQueueUs();
  out.switch_us = from.getSwitchUs();
  out.run_us = from.getRunUs();
  out.total_us = from.getTotalUs();
  out.device = from.getDevice().cStr();
  out.batch = from.getBatch();
  out.batch_end_us = static_cast<core::time_us>(from.getBatchEndUs());
  return out;
}

// Of the message that carries it, with room for what is around the input.
uint64_t message_bytes(const input& what) {
  constexpr uint64_t around_bytes = 1024;
  return around_bytes + what.text.size() + what.second.size() + what.prompt.size() +
         sizeof(int32_t) * (what.ids.size() + what.token_types.size());
}

void fill(schema::Request::Builder to, const asked_request& from, core::duration_us left_us) {
  to.setDeadlineUs(static_cast<uint64_t>(left_us));
  to.setKey({reinterpret_cast<const kj::byte*>(from.key.data()), sizeof from.key});
  to.setPrompt(from.what.prompt.c_str());
  if (from.what.is_pair) {
    auto pair = to.getInput().initPair();
    pair.setFirst({from.what.text.data(), from.what.text.size()});
    pair.setSecond({from.what.second.data(), from.what.second.size()});
    return;
  }
  if (from.what.is_text) {
    to.getInput().setText({from.what.text.data(), from.what.text.size()});
    return;
  }
  auto tokens = to.getInput().initTokens();
  auto ids = tokens.initIds(static_cast<unsigned>(from.what.ids.size()));
  for (unsigned i = 0; i < ids.size(); ++i) ids.set(i, from.what.ids[i]);
  auto types = tokens.initTypes(static_cast<unsigned>(from.what.token_types.size()));
  for (unsigned i = 0; i < types.size(); ++i) types.set(i, from.what.token_types[i]);
}

} // namespace

core::time_us asked_request::until_us() const {
  return deadline_us != 0 ? deadline_us : called_us + assumed_deadline_us;
}

void tenant_client::infer(const std::string& model, core::task_kind task, const input& what,
                          core::duration_us deadline_us, answered done, part_taken take_part) {
  const auto now = core::monotonic_now_us();
  const std::array key{core::true_random_u64(), core::true_random_u64()};
  const auto of = std::make_shared<asked_request>(
      asked_request{.model = model,
                    .task = task,
                    .what = what,
                    .called_us = now,
                    .deadline_us = deadline_us > 0 ? now + deadline_us : 0,
                    .key = key,
                    .again = repetition(key[0], state_->sessions.options().waits_when_refused),
                    .take_part = std::move(take_part),
                    .got = {}});
  ++state_->pending;
  state_->tasks.add(state_->ask(of).then([this, of, done = std::move(done)] {
    of->got.tries = of->tries;
    done(std::move(of->got));
    state_->ended();
  }));
}

kj::Promise<void> tenant_client::state::ask(const asked_pointer& of) {
  const auto left_us = std::max<core::duration_us>(of->until_us() - core::monotonic_now_us(), 1);
  auto opened = sessions.timer().timeoutAfter(left_us * kj::MICROSECONDS, sessions.open());
  auto tried = opened.then(
      [this, of]() -> kj::Promise<void> {
        const auto& last = sessions.last();
        if (last.session != nullptr) return send(of, last.session);
        of->is_final = last.is_final;
        const bool denied = last.failure.code == core::errc::permission_denied;
        of->got = not_answered(denied ? "permission_denied" : "unavailable", last.failure.message);
        return kj::READY_NOW;
      },
      [of](kj::Exception&&) -> kj::Promise<void> {
        if (of->got.status.empty()) of->got = not_answered("unavailable", "no connection before the deadline");
        return kj::READY_NOW;
      });
  return tried.then([this, of] { return come_again(of); });
}

kj::Promise<void> tenant_client::state::send(const asked_pointer& of, const session_pointer& on) {
  if (of->deadline_us == 0)
    of->deadline_us = of->called_us + (on->default_deadline_us > 0 ? on->default_deadline_us : assumed_deadline_us);
  const auto left_us = std::max<core::duration_us>(of->deadline_us - core::monotonic_now_us(), 1);
  auto model = on->find_model(of->model);
  return on->link.within(model->ready.addBranch(), left_us)
      .then([=, this]() -> kj::Promise<void> {
        if (model->failure_status.empty()) return send_to(of, on, model);
        on->forget_model(of->model); // it may be there next time
        of->got = not_answered(model->failure_status, model->failure);
        return kj::READY_NOW;
      })
      .catch_([=, this](kj::Exception&& exception) { note_trouble(*of, on, exception); });
}

kj::Promise<void> tenant_client::state::send_to(const asked_pointer& of, const session_pointer& on,
                                                const std::shared_ptr<found_model>& model) {
  const auto left_us = of->deadline_us - core::monotonic_now_us();
  if (left_us <= 0) {
    of->got = not_answered("deadline_exceeded", "the deadline passed before the request could be sent");
    return kj::READY_NOW;
  }
  // It would end the connection, for every other request on it too.
  if (on->max_message_bytes != 0 && message_bytes(of->what) > on->max_message_bytes) {
    of->got = not_answered("invalid", fmt::format("the input has {} bytes, a message at most {}",
                                                  message_bytes(of->what), on->max_message_bytes));
    return kj::READY_NOW;
  }
  ++of->tries;
  auto call = model->client.askRequest();
  set_task(call.initTask(), of->task);
  fill(call.initRequest(), *of, left_us);
  if (of->take_part) call.setParts(kj::heap<part_receiver>(of->take_part));
  kj::Promise<capnp::Response<schema::Model::AskResults>> answered = call.send();
  return on->link.within(kj::mv(answered), left_us + core::client_patience_us).then([=, this](auto&& response) {
    return take(of, on, from_schema(response.getAnswer()));
  });
}

kj::Promise<void> tenant_client::state::take(const asked_pointer& of, const session_pointer& on, answer got) {
  of->got = std::move(got);
  // The way here counts too: the cluster cannot see it.
  if (of->got.status == "ok" && core::monotonic_now_us() > of->deadline_us) of->got.status = "late";
  if (of->got.status != "not_found" || std::exchange(of->looked_again, true)) return kj::READY_NOW;
  // What the name meant when it was looked up has been taken back; it may mean an earlier version now.
  on->forget_model(of->model);
  return send(of, on);
}

void tenant_client::state::note_trouble(asked_request& of, const session_pointer& on, const kj::Exception& exception) {
  const auto why = from_kj(exception).message;
  switch (exception.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      sessions.lose(on);
      of.is_final = ++of.breaks >= most_breaks;
      of.got = not_answered("unavailable", why);
      break;
    case kj::Exception::Type::OVERLOADED:
      of.is_final = true;
      of.got = not_answered("deadline_exceeded", "no answer within a second after the deadline");
      break;
    default:
      of.is_final = true;
      of.got = not_answered("unavailable", why);
      break;
  }
}

kj::Promise<void> tenant_client::state::come_again(const asked_pointer& of) {
  if (of->is_final) return kj::READY_NOW;
  const failed_try last{of->got.status, static_cast<core::duration_us>(of->got.retry_after_us)};
  const auto pause_us = of->again.pause_after(last, core::monotonic_now_us(), of->until_us());
  if (!pause_us) return kj::READY_NOW;
  return sessions.timer().afterDelay(*pause_us * kj::MICROSECONDS).then([this, of]() -> kj::Promise<void> {
    if (core::monotonic_now_us() >= of->until_us()) return kj::READY_NOW;
    return ask(of);
  });
}

void tenant_client::state::ended() {
  --pending;
  KJ_IF_MAYBE (waiting, answer_came) {
    (*waiting)->fulfill();
  }
}

void tenant_client::run_until(core::time_us when) {
  const auto left_us = std::max<core::duration_us>(when - core::monotonic_now_us(), 0);
  state_->sessions.timer().afterDelay(left_us * kj::MICROSECONDS).wait(state_->sessions.scope());
}

void tenant_client::run_until_answer(core::time_us when) {
  if (state_->pending == 0) return;
  const auto left_us = std::max<core::duration_us>(when - core::monotonic_now_us(), 0);
  auto came = kj::newPromiseAndFulfiller<void>();
  state_->answer_came = kj::mv(came.fulfiller);
  state_->sessions.timer()
      .afterDelay(left_us * kj::MICROSECONDS)
      .exclusiveJoin(kj::mv(came.promise))
      .wait(state_->sessions.scope());
  state_->answer_came = nullptr;
}

size_t tenant_client::pending() const {
  return state_->pending;
}

} // namespace fastptm::clients
