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
  writer_server(gateway& shared, std::shared_ptr<spooled_folder> folder, int descriptor, uint64_t size_bytes)
      : shared_(shared), folder_(std::move(folder)), descriptor_(descriptor), left_bytes_(size_bytes) {}
  ~writer_server() noexcept { ::close(descriptor_); }

protected:
  kj::Promise<void> write(WriteContext context) override {
    const auto data = context.getParams().getData();
    if (data.size() > left_bytes_) {
      return KJ_EXCEPTION(FAILED, "more bytes than announced");
    }
    left_bytes_ -= data.size();
    shared_.uploaded_bytes.add(data.size());
    // The parameters live as long as the call, and the call as long as this promise: no copy is needed.
    return shared_.disk
        .run([descriptor = descriptor_, data] {
          return append(descriptor, {data.begin(), data.size()});
        })
        .then([this](core::result<void> written) {
          if (!written && !failure_) failure_ = written.error();
        });
  }

  kj::Promise<void> done(DoneContext context) override {
    auto outcome = context.getResults().initOutcome();
    if (failure_) {
      set_outcome(outcome, *failure_);
    } else if (left_bytes_ > 0) {
      set_outcome(outcome, schema::Status::INVALID, fmt::format("{} bytes of the file are missing", left_bytes_));
    }
    return kj::READY_NOW;
  }

private:
  gateway& shared_;
  const std::shared_ptr<spooled_folder> folder_;
  const int descriptor_;
  uint64_t left_bytes_;
  std::optional<core::error> failure_;
};

} // namespace

kj::Promise<void> upload_server::file(FileContext context) {
  const auto parameters = context.getParams();
  auto results = context.getResults();
  if (finished_) {
    set_outcome(results.initOutcome(), schema::Status::INVALID, "the upload is finished");
    return kj::READY_NOW;
  }
  auto descriptor = folder_->create(std::string_view(parameters.getPath().cStr()), parameters.getSizeBytes());
  if (!descriptor) {
    set_outcome(results.initOutcome(), descriptor.error());
    return kj::READY_NOW;
  }
  results.initOutcome();
  results.setWriter(kj::heap<writer_server>(shared_, folder_, *descriptor, parameters.getSizeBytes()));
  return kj::READY_NOW;
}

kj::Promise<void> upload_server::finish(FinishContext context) {
  context.allowCancellation();
  if (std::exchange(finished_, true)) {
    set_outcome(context.getResults().initOutcome(), schema::Status::INVALID, "the upload is finished");
    return kj::READY_NOW;
  }
  // Nobody but this call keeps the folder: when its client has gone, the folder goes, and with it the publication.
  return shared_.actors.publish({tenant_, model_, folder_->path().string(), special_is_text_}, import_timeout_us)
      .then([context, folder = folder_](core::result<protocol::publication> reply) mutable {
        auto results = context.getResults();
        if (!reply) return set_outcome(results.initOutcome(), reply.error());
        results.initOutcome();
        schema::write(results.initPublication(), *reply);
      });
}

} // namespace fastptm::rpc
