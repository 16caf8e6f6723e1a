// Writes happen on the disk helper, one after the other; a stream's flow control keeps few bytes in memory.
#include "rpc/upload_server.hpp"

#include <optional>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>
#include <kj/debug.h>

#include "rpc/convert.hpp"
#include "schemas/by_name.hpp"

namespace fastptm::rpc {

namespace {

// Importing is bounded by the disk, not by a request's patience: 8 GiB at 20 MB/s.
constexpr core::duration_us import_timeout_us = 400'000'000;

class writer_server final : public schema::Writer::Server {
public:
  writer_server(gateway& shared, tenant_account& account, std::shared_ptr<upload_state> state, int descriptor,
                uint64_t size_bytes, tenant_account::place handle)
      : shared_(shared), account_(account), state_(std::move(state)), descriptor_(descriptor), left_bytes_(size_bytes),
        handle_(std::move(handle)) {}
  ~writer_server() noexcept { ::close(descriptor_); }

protected:
  kj::Promise<void> write(WriteContext context) override {
    const auto data = context.getParams().getData();
    state_->heard = shared_.timer.now();
    if (state_->folder == nullptr) return kj::READY_NOW; // `done` says so
    if (data.size() > left_bytes_) {
      fail({core::errc::invalid, "more bytes than announced: say the file's size"});
      return kj::READY_NOW;
    }
    left_bytes_ -= data.size();
    shared_.uploaded_bytes.add(data.size());
    // The parameters live as long as the call, and the call as long as this promise: no copy is needed.
    return shared_.disk
        .run([descriptor = descriptor_, data] {
          return append(descriptor, {data.begin(), data.size()});
        })
        .then([this, bytes = data.size()](core::result<void> written) {
          if (!written) return fail(written.error());
          if (state_->folder != nullptr) state_->folder->wrote(bytes);
        })
        .attach(account_.begin(call_kind::write));
  }

  kj::Promise<void> done(DoneContext context) override {
    auto outcome = context.getResults().initOutcome();
    if (state_->failure) {
      set_outcome(outcome, *state_->failure);
    } else if (left_bytes_ > 0) {
      set_outcome(outcome, schema::Status::INVALID, fmt::format("{} bytes of the file are missing", left_bytes_));
    }
    return kj::READY_NOW;
  }

private:
  void fail(core::error why) {
    if (!state_->failure) state_->failure = std::move(why);
  }

  gateway& shared_;
  tenant_account& account_;
  const std::shared_ptr<upload_state> state_;
  const int descriptor_;
  uint64_t left_bytes_;
  const tenant_account::place handle_;
};

} // namespace

upload_server::upload_server(gateway& shared, tenant_account& account, std::string model, bool special_is_text,
                             std::shared_ptr<spooled_folder> folder, tenant_account::place handle)
    : shared_(shared), account_(account), model_(std::move(model)), special_is_text_(special_is_text),
      handle_(std::move(handle)), watching_(kj::READY_NOW) {
  state_->folder = std::move(folder);
  state_->heard = shared_.timer.now();
  watching_ = watch().eagerlyEvaluate(nullptr);
}

kj::Promise<void> upload_server::watch() {
  const auto patience = shared_.options.spool.idle_us * kj::MICROSECONDS;
  return shared_.timer.atTime(state_->heard + patience).then([this, patience]() -> kj::Promise<void> {
    if (finished_) return kj::READY_NOW;
    if (shared_.timer.now() < state_->heard + patience) return watch();
    state_->folder = nullptr;
    state_->failure = {core::errc::deadline_exceeded, "nothing came for too long, the upload has ended: publish again"};
    return kj::READY_NOW;
  });
}

kj::Promise<void> upload_server::file(FileContext context) {
  const auto parameters = context.getParams();
  auto results = context.getResults();
  const auto refuse = [&](const core::error& why) -> kj::Promise<void> {
    set_outcome(results.initOutcome(), why);
    return kj::READY_NOW;
  };
  state_->heard = shared_.timer.now();
  if (finished_) return refuse({core::errc::invalid, "the upload has been finished: publish again"});
  if (state_->failure) return refuse(*state_->failure);
  auto handle = account_.take_handle();
  if (!handle) return refuse(handle.error());
  const auto path = parameters.getPath();
  auto descriptor = state_->folder->create({path.begin(), path.size()}, parameters.getSizeBytes());
  if (!descriptor) return refuse(descriptor.error());
  results.initOutcome();
  results.setWriter(
      kj::heap<writer_server>(shared_, account_, state_, *descriptor, parameters.getSizeBytes(), std::move(*handle)));
  return kj::READY_NOW;
}

core::result<void> upload_server::check_complete() const {
  if (finished_) return core::fail(core::errc::invalid, "the upload has been finished: publish again");
  if (state_->failure) return core::fail(*state_->failure);
  if (const auto missing = state_->folder->missing_bytes(); missing > 0)
    return core::fail(core::errc::invalid,
                      fmt::format("{} bytes of its files are missing: send what was announced", missing));
  return {};
}

kj::Promise<void> upload_server::finish(FinishContext context) {
  context.allowCancellation();
  const auto good = check_complete();
  finished_ = true;
  // Nobody but this call keeps the folder: when its client has gone, the folder goes, and with it the publication.
  auto folder = std::exchange(state_->folder, nullptr);
  if (!good) {
    set_outcome(context.getResults().initOutcome(), good.error());
    return kj::READY_NOW;
  }
  auto path = folder->path().string();
  return shared_.actors.publish({account_.name(), model_, std::move(path), special_is_text_}, import_timeout_us)
      .then([context, folder = std::move(folder)](core::result<protocol::publication> reply) mutable {
        auto results = context.getResults();
        if (!reply) return set_outcome(results.initOutcome(), reply.error());
        results.initOutcome();
        schema::write(results.initPublication(), *reply);
      });
}

} // namespace fastptm::rpc
