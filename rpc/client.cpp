// Connections, calls, and the translation of exceptions into errors.
#include "rpc/client.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>

#include <capnp/rpc-twoparty.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <kj/async-io.h>
#include <kj/debug.h>
#include <unistd.h>

namespace fastptm::rpc {

namespace {

constexpr core::duration_us call_timeout_us = 30'000'000;
constexpr core::duration_us answer_margin_us = 1'000'000;
constexpr core::duration_us import_timeout_us = 420'000'000; // a little more than the gateway's own, also to take back
constexpr size_t upload_chunk_bytes = 1 << 20;

core::error from_kj(const kj::Exception& exception) {
  std::string text = exception.getDescription().cStr();
  for (const std::string_view prefix : {"remote exception: "}) {
    if (text.starts_with(prefix)) text.erase(0, prefix.size());
  }
  switch (exception.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      return {core::errc::unavailable, "the connection to the cluster broke: " + text};
    case kj::Exception::Type::OVERLOADED:
      return {core::errc::unavailable, "no answer from the cluster in time: " + text};
    case kj::Exception::Type::UNIMPLEMENTED:
      return {core::errc::version_mismatch, "the cluster does not know this call: use the same version: " + text};
    case kj::Exception::Type::FAILED:
      break;
  }
  return {core::errc::internal, "the call failed: " + text};
}

core::errc code_of(schema::Status status) {
  switch (status) {
    case schema::Status::NOT_FOUND:
      return core::errc::not_found;
    case schema::Status::PERMISSION_DENIED:
      return core::errc::permission_denied;
    case schema::Status::QUOTA_EXCEEDED:
      return core::errc::quota_exceeded;
    case schema::Status::DEADLINE_EXCEEDED:
      return core::errc::deadline_exceeded;
    case schema::Status::REFUSED:
      return core::errc::busy;
    case schema::Status::INVALID:
      return core::errc::invalid;
    default:
      return core::errc::unavailable;
  }
}

core::result<void> check(schema::Outcome::Reader outcome) {
  if (outcome.getStatus() == schema::Status::OK) return {};
  return core::fail(code_of(outcome.getStatus()), outcome.getError().cStr());
}

} // namespace

std::string_view to_string(schema::Status status) {
  switch (status) {
    case schema::Status::OK:
      return "ok";
    case schema::Status::LATE:
      return "late";
    case schema::Status::DEADLINE_EXCEEDED:
      return "deadline_exceeded";
    case schema::Status::UNAVAILABLE:
      return "unavailable";
    case schema::Status::QUOTA_EXCEEDED:
      return "quota_exceeded";
    case schema::Status::REFUSED:
      return "refused";
    case schema::Status::NOT_FOUND:
      return "not_found";
    case schema::Status::PERMISSION_DENIED:
      return "permission_denied";
    case schema::Status::INVALID:
      return "invalid";
  }
  return "unavailable";
}

// -- connections -------------------------------------------------------------------------------------

class event_loop {
public:
  event_loop() : io(kj::setupAsyncIo()) {}
  kj::AsyncIoContext io;
};

std::shared_ptr<event_loop> make_event_loop() {
  return std::make_shared<event_loop>();
}

// One connection and the calls on it; the base of both clients.
class connection {
public:
  core::result<void> connect(const connect_options& options) {
    loop_ = options.loop != nullptr ? options.loop : make_event_loop();
    const auto trouble = kj::runCatchingExceptions([&] {
      auto connecting = loop_->io.provider->getNetwork()
                            .parseAddress(options.address.c_str())
                            .then([](kj::Own<kj::NetworkAddress> parsed) {
                              auto stream = parsed->connect();
                              return stream.attach(kj::mv(parsed));
                            });
      stream_ = within(kj::mv(connecting), options.timeout_us).wait(scope());
      client_ = kj::heap<capnp::TwoPartyClient>(*stream_);
    });
    KJ_IF_MAYBE (exception, trouble) {
      return core::fail(core::errc::unavailable, fmt::format("nobody answers at {}: is the cluster running? ({})",
                                                             options.address, exception->getDescription().cStr()));
    }
    return {};
  }

  template <class Interface> typename Interface::Client bootstrap() { return client_->bootstrap().castAs<Interface>(); }

  template <class T> kj::Promise<T> within(kj::Promise<T> call, core::duration_us timeout_us) {
    return timer().timeoutAfter(timeout_us * kj::MICROSECONDS, kj::mv(call));
  }

  // Runs a call to its end: its response, or an error for an exception or an outcome that is not ok.
  template <class Results>
  core::result<response<Results>> finish(capnp::RemotePromise<Results> call,
                                         core::duration_us timeout_us = call_timeout_us) {
    core::result<response<Results>> out;
    const auto trouble = kj::runCatchingExceptions([&] {
      kj::Promise<capnp::Response<Results>> plain = kj::mv(call);
      auto got = within(kj::mv(plain), timeout_us).wait(scope());
      auto good = check(got.getOutcome());
      if (good) {
        out = kj::heap<capnp::Response<Results>>(kj::mv(got));
      } else {
        out = core::fail(good.error());
      }
    });
    KJ_IF_MAYBE (exception, trouble) {
      return core::fail(from_kj(*exception));
    }
    return out;
  }

  kj::Timer& timer() { return loop_->io.provider->getTimer(); }
  kj::WaitScope& scope() { return loop_->io.waitScope; }

private:
  std::shared_ptr<event_loop> loop_;
  kj::Own<kj::AsyncIoStream> stream_;
  kj::Own<capnp::TwoPartyClient> client_;
};

// -- tenant ---------------------------------------------------------------------------------------

struct tenant_client::state : private kj::TaskSet::ErrorHandler {
  connection link;
  kj::Maybe<schema::Tenant::Client> tenant;
  struct model_entry {
    kj::ForkedPromise<void> ready;
    std::shared_ptr<core::error> failure; // code and text of a model that cannot be asked
    std::string failure_status;
    schema::Model::Client client = nullptr;
  };
  std::map<std::string, std::shared_ptr<model_entry>> models;
  size_t pending = 0;
  kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> answer_came;
  kj::TaskSet tasks{*this};

  schema::Tenant::Client& server() { return KJ_ASSERT_NONNULL(tenant); }
  std::shared_ptr<model_entry> find_model(const std::string& name);
  void ended();

private:
  void taskFailed(kj::Exception&&) override {} // every task catches its own
};

tenant_client::tenant_client(std::unique_ptr<state> given) : state_(std::move(given)) {}
tenant_client::~tenant_client() = default;

core::result<std::unique_ptr<tenant_client>> tenant_client::connect(const connect_options& options) {
  auto made = std::make_unique<state>();
  if (auto connected = made->link.connect(options); !connected) return core::fail(connected.error());
  auto request = made->link.bootstrap<schema::Gateway>().loginRequest();
  request.setToken(options.token.c_str());
  auto login = made->link.finish(request.send(), options.timeout_us);
  if (!login) return core::fail(login.error());
  made->tenant = (*login)->getTenant();
  return std::unique_ptr<tenant_client>(new tenant_client(std::move(made)));
}

core::result<response<schema::Tenant::ModelsResults>> tenant_client::models() {
  return state_->link.finish(state_->server().modelsRequest().send());
}

core::result<response<schema::Tenant::SwitchesResults>> tenant_client::switches(uint32_t last) {
  auto request = state_->server().switchesRequest();
  request.setLast(last);
  return state_->link.finish(request.send());
}

core::result<uint64_t> tenant_client::ping(uint64_t value) {
  uint64_t got = 0;
  const auto trouble = kj::runCatchingExceptions([&] {
    auto request = state_->server().pingRequest();
    request.setValue(value);
    kj::Promise<uint64_t> call = request.send().then([](auto&& response) { return response.getValue(); });
    got = state_->link.within(kj::mv(call), call_timeout_us).wait(state_->link.scope());
  });
  KJ_IF_MAYBE (exception, trouble) {
    return core::fail(from_kj(*exception));
  }
  return got;
}

core::result<std::vector<core::duration_us>> tenant_client::ping_many(size_t count, size_t in_flight) {
  std::vector<core::duration_us> latencies;
  latencies.reserve(count);
  size_t started = 0;
  std::function<kj::Promise<void>()> chain = [&]() -> kj::Promise<void> {
    if (started == count) return kj::READY_NOW;
    ++started;
    auto request = state_->server().pingRequest();
    request.setValue(started);
    const auto began_us = core::monotonic_now_us();
    return request.send().then([&, began_us](auto&&) {
      latencies.push_back(core::monotonic_now_us() - began_us);
      return chain();
    });
  };
  const auto trouble = kj::runCatchingExceptions([&] {
    auto chains = kj::heapArrayBuilder<kj::Promise<void>>(in_flight);
    for (size_t i = 0; i < in_flight; ++i) chains.add(chain());
    kj::Promise<void> all = kj::joinPromises(chains.finish());
    state_->link.within(kj::mv(all), 10 * call_timeout_us).wait(state_->link.scope());
  });
  KJ_IF_MAYBE (exception, trouble) {
    return core::fail(from_kj(*exception));
  }
  return latencies;
}

// -- publishing -----------------------------------------------------------------------------------

namespace {

class open_file {
public:
  explicit open_file(const std::filesystem::path& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~open_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  open_file(const open_file&) = delete;
  open_file& operator=(const open_file&) = delete;
  int descriptor() const { return descriptor_; }

private:
  int descriptor_;
};

} // namespace

core::result<publication> tenant_client::publish(const std::string& model, const std::vector<upload_file>& files,
                                                 const std::function<void(uint64_t)>& progress) {
  auto& link = state_->link;
  auto request = state_->server().publishRequest();
  request.setModelName(model.c_str());
  auto begun = link.finish(request.send());
  if (!begun) return core::fail(begun.error());
  auto upload = (*begun)->getUpload();
  uint64_t sent = 0;
  for (const auto& each : files) {
    const open_file source(each.source);
    if (source.descriptor() < 0) return core::fail(core::from_errno(errno, each.source.string()));
    auto file = upload.fileRequest();
    file.setPath(each.name.c_str());
    file.setSizeBytes(each.size_bytes);
    auto opened = link.finish(file.send());
    if (!opened) return core::fail(opened.error());
    auto writer = (*opened)->getWriter();
    for (uint64_t left = each.size_bytes; left > 0;) {
      const auto size = std::min<uint64_t>(left, upload_chunk_bytes);
      core::error failure;
      bool good = true;
      const auto trouble = kj::runCatchingExceptions([&] {
        auto write = writer.writeRequest(capnp::MessageSize{size / 8 + 64, 0});
        auto data = write.initData(static_cast<unsigned>(size));
        if (::read(source.descriptor(), data.begin(), size) != static_cast<ssize_t>(size)) {
          failure = {core::errc::io, each.name + ": shorter than it was: is somebody writing to it?"};
          good = false;
          return;
        }
        link.within(write.send(), call_timeout_us).wait(link.scope());
      });
      KJ_IF_MAYBE (exception, trouble) {
        return core::fail(from_kj(*exception));
      }
      if (!good) return core::fail(failure);
      left -= size;
      sent += size;
      if (progress) progress(sent);
    }
    if (auto done = link.finish(writer.doneRequest().send()); !done) return core::fail(each.name, done.error());
  }
  auto finished = link.finish(upload.finishRequest().send(), import_timeout_us);
  if (!finished) return core::fail(finished.error());
  const auto got = (*finished)->getPublication();
  return publication{got.getModel().cStr(), got.getArchitecture().cStr(),
                     got.getBytes(),        got.getNewBytes(),
                     got.getShards(),       got.getNewShards()};
}

core::result<withdrawal> tenant_client::unpublish(const std::string& model, bool all) {
  auto request = state_->server().unpublishRequest();
  request.setFullName(model);
  request.setAll(all);
  auto done = state_->link.finish(request.send(), import_timeout_us);
  if (!done) return core::fail(done.error());
  withdrawal out;
  for (const auto name : (*done)->getModels()) out.models.emplace_back(name.cStr());
  out.freed_bytes = (*done)->getFreedBytes();
  return out;
}

// -- asking ---------------------------------------------------------------------------------------

namespace {

answer not_answered(std::string status, std::string error) {
  answer out;
  out.status = std::move(status);
  out.error = std::move(error);
  return out;
}

answer from_schema(schema::Answer::Reader from) {
  answer out;
  out.status = to_string(from.getOutcome().getStatus());
  out.error = from.getOutcome().getError().cStr();
  out.retry_after_us = from.getOutcome().getRetryAfterUs();
  const auto bytes = from.getOutput();
  out.output.resize(bytes.size() / sizeof(float));
  if (!out.output.empty()) std::memcpy(out.output.data(), bytes.begin(), out.output.size() * sizeof(float));
  out.label = from.getLabel();
  out.worker = from.getWorker().cStr();
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

void fill(schema::Request::Builder to, const input& from, core::duration_us deadline_us) {
  to.setDeadlineUs(static_cast<uint64_t>(std::max<core::duration_us>(deadline_us, 0)));
  if (from.is_text) {
    to.getInput().setText({from.text.data(), from.text.size()});
    return;
  }
  auto tokens = to.getInput().initTokens();
  auto ids = tokens.initIds(static_cast<unsigned>(from.ids.size()));
  for (unsigned i = 0; i < ids.size(); ++i) ids.set(i, from.ids[i]);
  auto types = tokens.initTypes(static_cast<unsigned>(from.token_types.size()));
  for (unsigned i = 0; i < types.size(); ++i) types.set(i, from.token_types[i]);
}

} // namespace

std::shared_ptr<tenant_client::state::model_entry> tenant_client::state::find_model(const std::string& name) {
  auto& entry = models[name];
  if (entry != nullptr) return entry;
  auto request = server().modelRequest();
  request.setFullName(name.c_str());
  auto made = std::make_shared<model_entry>(model_entry{kj::Promise<void>(kj::READY_NOW).fork(), nullptr, {}, nullptr});
  auto looking = request.send().then([made](capnp::Response<schema::Tenant::ModelResults>&& response) {
    const auto outcome = response.getOutcome();
    if (outcome.getStatus() == schema::Status::OK) {
      made->client = response.getModel();
    } else {
      made->failure_status = to_string(outcome.getStatus());
      made->failure = std::make_shared<core::error>(core::error{core::errc::unavailable, outcome.getError().cStr()});
    }
  });
  made->ready = kj::Promise<void>(kj::mv(looking)).fork();
  entry = made;
  return entry;
}

void tenant_client::state::ended() {
  --pending;
  // A model that was missing may be there next time.
  if (pending == 0) std::erase_if(models, [](const auto& each) { return each.second->failure != nullptr; });
  KJ_IF_MAYBE (waiting, answer_came) {
    (*waiting)->fulfill();
  }
}

void tenant_client::infer(const std::string& model, bool classify, const input& what, core::duration_us deadline_us,
                          answered done) {
  ++state_->pending;
  auto entry = state_->find_model(model);
  // On the heap: g++ 12 warns falsely about strings inside of KJ's maybe.
  using owned = kj::Own<answer>;
  const auto convert = [](auto&& response) { return kj::heap<answer>(from_schema(response)); };
  auto call = entry->ready.addBranch().then([entry, classify, what, deadline_us, convert]() -> kj::Promise<owned> {
    if (entry->failure != nullptr) {
      return kj::heap<answer>(not_answered(entry->failure_status, entry->failure->message));
    }
    if (classify) {
      auto request = entry->client.classifyRequest();
      fill(request, what, deadline_us);
      return request.send().then(convert);
    }
    auto request = entry->client.embedRequest();
    fill(request, what, deadline_us);
    return request.send().then(convert);
  });
  auto limited = deadline_us > 0 ? state_->link.within(kj::mv(call), deadline_us + answer_margin_us) : kj::mv(call);
  auto shared_done = std::make_shared<answered>(std::move(done));
  state_->tasks.add(limited.then(
      [this, shared_done](owned got) {
        (*shared_done)(std::move(*got));
        state_->ended();
      },
      [this, shared_done](kj::Exception&& exception) {
        const bool late = exception.getType() == kj::Exception::Type::OVERLOADED;
        (*shared_done)(late ? not_answered("deadline_exceeded", "no answer within a second after the deadline")
                            : not_answered("unavailable", from_kj(exception).message));
        state_->ended();
      }));
}

void tenant_client::run_until(core::time_us when) {
  const auto left_us = std::max<core::duration_us>(when - core::monotonic_now_us(), 0);
  state_->link.timer().afterDelay(left_us * kj::MICROSECONDS).wait(state_->link.scope());
}

void tenant_client::run_until_answer(core::time_us when) {
  if (state_->pending == 0) return;
  const auto left_us = std::max<core::duration_us>(when - core::monotonic_now_us(), 0);
  auto came = kj::newPromiseAndFulfiller<void>();
  state_->answer_came = kj::mv(came.fulfiller);
  state_->link.timer()
      .afterDelay(left_us * kj::MICROSECONDS)
      .exclusiveJoin(kj::mv(came.promise))
      .wait(state_->link.scope());
  state_->answer_came = nullptr;
}

size_t tenant_client::pending() const {
  return state_->pending;
}

// -- administration -------------------------------------------------------------------------------

struct admin_client::state {
  connection link;
  kj::Maybe<schema::Admin::Client> admin;
  schema::Admin::Client& server() { return KJ_ASSERT_NONNULL(admin); }
};

admin_client::admin_client(std::unique_ptr<state> given) : state_(std::move(given)) {}
admin_client::~admin_client() = default;

core::result<std::unique_ptr<admin_client>> admin_client::connect(const connect_options& options) {
  auto made = std::make_unique<state>();
  if (auto connected = made->link.connect(options); !connected) return core::fail(connected.error());
  auto request = made->link.bootstrap<schema::AdminGateway>().loginRequest();
  request.setToken(options.token.c_str());
  auto login = made->link.finish(request.send(), options.timeout_us);
  if (!login) return core::fail(login.error());
  made->admin = (*login)->getAdmin();
  return std::unique_ptr<admin_client>(new admin_client(std::move(made)));
}

core::result<response<schema::Admin::StatusResults>> admin_client::status() {
  return state_->link.finish(state_->server().statusRequest().send());
}

core::result<response<schema::Admin::SwitchesResults>> admin_client::switches(uint32_t last) {
  auto request = state_->server().switchesRequest();
  request.setLast(last);
  return state_->link.finish(request.send());
}

core::result<response<schema::Admin::LoadsResults>> admin_client::loads() {
  return state_->link.finish(state_->server().loadsRequest().send());
}

core::result<response<schema::Admin::ExplainResults>> admin_client::explain(const std::string& model) {
  auto request = state_->server().explainRequest();
  request.setFullName(model.c_str());
  return state_->link.finish(request.send());
}

core::result<void> admin_client::cordon(const std::string& device, bool on) {
  auto request = state_->server().cordonRequest();
  request.setDevice(device.c_str());
  request.setOn(on);
  auto done = state_->link.finish(request.send());
  if (!done) return core::fail(done.error());
  return {};
}

core::result<void> admin_client::evict(const std::string& device, const std::string& model) {
  auto request = state_->server().evictRequest();
  request.setDevice(device.c_str());
  request.setFullName(model.c_str());
  auto done = state_->link.finish(request.send());
  if (!done) return core::fail(done.error());
  return {};
}

core::result<void> admin_client::drop_cache() {
  auto done = state_->link.finish(state_->server().dropCacheRequest().send());
  if (!done) return core::fail(done.error());
  return {};
}

} // namespace fastptm::rpc
