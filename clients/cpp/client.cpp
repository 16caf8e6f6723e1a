// What a tenant's client asks besides inferences: models, reports, publishing and taking back.
#include "clients/cpp/client.hpp"

#include <algorithm>

#include <fcntl.h>
#include <kj/debug.h>
#include <unistd.h>

#include "clients/cpp/client_state.hpp"
#include "schemas/by_name.hpp"

namespace fastptm::clients {

namespace {

constexpr core::duration_us import_timeout_us = 420'000'000; // a little more than the gateway's own, also to take back
constexpr size_t upload_chunk_bytes = 1 << 20;

} // namespace

std::shared_ptr<event_loop> make_event_loop() {
  return std::make_shared<event_loop>();
}

// -- connecting -------------------------------------------------------------------------------------------------------

tenant_client::tenant_client(std::unique_ptr<state> given) : state_(std::move(given)) {}
tenant_client::~tenant_client() = default;

std::unique_ptr<tenant_client> tenant_client::open(const connect_options& options) {
  return std::unique_ptr<tenant_client>(new tenant_client(std::make_unique<state>(options)));
}

core::result<std::unique_ptr<tenant_client>> tenant_client::connect(const connect_options& options) {
  auto made = open(options);
  if (auto session = made->state_->session(); !session) return core::fail(session.error());
  return made;
}

core::result<session_pointer> tenant_client::state::session() {
  const auto trouble = kj::runCatchingExceptions([&] { sessions.open().wait(sessions.scope()); });
  KJ_IF_MAYBE (exception, trouble) {
    return core::fail(from_kj(*exception));
  }
  if (sessions.last().session == nullptr) return core::fail(sessions.last().failure);
  return sessions.last().session;
}

// -- small calls ------------------------------------------------------------------------------------------------------

core::result<std::vector<protocol::model_entry>> tenant_client::models() {
  const auto got = state_->finish([](auto& tenant) { return tenant.modelsRequest().send(); });
  if (!got) return core::fail(got.error());
  return schema::read_rows<protocol::model_entry>((*got)->getModels());
}

core::result<std::vector<protocol::load_report>> tenant_client::loads(uint32_t last) {
  const auto got = state_->finish([=](auto& tenant) {
    auto request = tenant.loadsRequest();
    request.setLast(last);
    return request.send();
  });
  if (!got) return core::fail(got.error());
  return schema::read_rows<protocol::load_report>((*got)->getLoads());
}

core::result<withdrawal> tenant_client::unpublish(const std::string& model, bool all) {
  auto done = state_->finish(
      [&](auto& tenant) {
        auto request = tenant.unpublishRequest();
        request.setFullName(model);
        request.setAll(all);
        return request.send();
      },
      import_timeout_us);
  if (!done) return core::fail(done.error());
  withdrawal out;
  for (const auto name : (*done)->getModels()) out.models.emplace_back(name.cStr());
  out.freed_bytes = (*done)->getFreedBytes();
  return out;
}

core::result<uint64_t> tenant_client::ping(uint64_t value) {
  const auto session = state_->session();
  if (!session) return core::fail(session.error());
  uint64_t got = 0;
  const auto trouble = kj::runCatchingExceptions([&] {
    auto request = (*session)->tenant.pingRequest();
    request.setValue(value);
    kj::Promise<uint64_t> call = request.send().then([](auto&& response) { return response.getValue(); });
    got = (*session)->link.within(kj::mv(call), call_timeout_us).wait(state_->sessions.scope());
  });
  KJ_IF_MAYBE (exception, trouble) {
    return state_->failed(*session, *exception);
  }
  return got;
}

core::result<std::vector<core::duration_us>> tenant_client::ping_many(size_t count, size_t in_flight) {
  const auto session = state_->session();
  if (!session) return core::fail(session.error());
  std::vector<core::duration_us> latencies;
  latencies.reserve(count);
  size_t started = 0;
  std::function<kj::Promise<void>()> chain = [&]() -> kj::Promise<void> {
    if (started == count) return kj::READY_NOW;
    ++started;
    auto request = (*session)->tenant.pingRequest();
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
    (*session)->link.within(kj::mv(all), 10 * call_timeout_us).wait(state_->sessions.scope());
  });
  KJ_IF_MAYBE (exception, trouble) {
    return state_->failed(*session, *exception);
  }
  return latencies;
}

// -- publishing -------------------------------------------------------------------------------------------------------

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

core::result<protocol::publication> tenant_client::publish(const std::string& model,
                                                           const std::vector<upload_file>& files,
                                                           const std::function<void(uint64_t)>& progress,
                                                           special_tokens special) {
  const auto session = state_->session();
  if (!session) return core::fail(session.error());
  auto& link = (*session)->link;
  auto request = (*session)->tenant.publishRequest();
  request.setModelName(model.c_str());
  request.setSpecialTokens(special == special_tokens::text ? schema::SpecialTokens::TEXT
                                                           : schema::SpecialTokens::LIBRARY);
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
  return schema::read_as<protocol::publication>((*finished)->getPublication());
}

} // namespace fastptm::clients
