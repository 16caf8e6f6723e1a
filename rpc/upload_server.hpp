// A folder on its way in: files stream to the spool, then the store imports it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "rpc/gateway.hpp"
#include "schemas/serving.capnp.h"

namespace fastptm::rpc {

// What an upload and the writers of its files share.
struct upload_state {
  std::shared_ptr<spooled_folder> folder; // null: it has ended
  std::optional<core::error> failure;     // the first
  kj::TimePoint heard = kj::origin<kj::TimePoint>();
};

class upload_server final : public schema::Upload::Server {
public:
  upload_server(gateway& shared, tenant_account& account, std::string model, bool special_is_text,
                std::shared_ptr<spooled_folder> folder, tenant_account::place handle);

protected:
  kj::Promise<void> file(FileContext context) override;
  kj::Promise<void> finish(FinishContext context) override;

private:
  // Ends an upload whose client says nothing any more.
  kj::Promise<void> watch();
  core::result<void> check_complete() const;

  gateway& shared_;
  tenant_account& account_;
  const std::string model_;
  const bool special_is_text_; // special tokens spelled out in texts
  const tenant_account::place handle_;
  const std::shared_ptr<upload_state> state_ = std::make_shared<upload_state>();
  bool finished_ = false;
  kj::Promise<void> watching_; // last: it uses what is above
};

} // namespace fastptm::rpc
