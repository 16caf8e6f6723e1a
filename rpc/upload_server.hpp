// A folder on its way in: files stream to the spool, then the store imports it.
#pragma once

#include <memory>
#include <string>

#include "rpc/gateway.hpp"
#include "schemas/serving.capnp.h"

namespace fastptm::rpc {

class upload_server final : public schema::Upload::Server {
public:
  upload_server(gateway& shared, std::string tenant, std::string model, bool special_is_text,
                std::shared_ptr<spooled_folder> folder)
      : shared_(shared), tenant_(std::move(tenant)), model_(std::move(model)), special_is_text_(special_is_text),
        folder_(std::move(folder)) {}

protected:
  kj::Promise<void> file(FileContext context) override;
  kj::Promise<void> finish(FinishContext context) override;

private:
  gateway& shared_;
  const std::string tenant_;
  const std::string model_;
  const bool special_is_text_; // special tokens spelled out in texts
  const std::shared_ptr<spooled_folder> folder_;
  bool finished_ = false;
};

} // namespace fastptm::rpc
