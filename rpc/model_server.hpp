// One published model as a capability: an input is checked here and answered by the actors.
#pragma once

#include <string>

#include "rpc/convert.hpp"
#include "rpc/gateway.hpp"
#include "schemas/serving.capnp.h"

namespace fastptm::rpc {

class part_sender;

class model_server final : public schema::Model::Server {
public:
  model_server(gateway& shared, tenant_account& account, protocol::model_row row, tenant_account::place handle)
      : shared_(shared), account_(account), row_(std::move(row)), handle_(std::move(handle)) {}

protected:
  kj::Promise<void> ask(AskContext context) override;

private:
  kj::Promise<told_answer> answer(schema::Request::Reader request, protocol::task_kind task, part_sender* parts);
  kj::Promise<told_answer> answer_text(text_input input, protocol::infer_request asked, part_sender* parts);
  kj::Promise<told_answer> send(const text_tokens& tokens, protocol::infer_request asked, part_sender* parts);
  // Adds what a classifier's publisher said of its labels.
  kj::Promise<told_answer> with_labels(told_answer told);
  core::result<text_input> text_of(schema::Request::Reader request, protocol::task_kind task) const;

  gateway& shared_;
  tenant_account& account_;
  const protocol::model_row row_;
  const tenant_account::place handle_;
};

} // namespace fastptm::rpc
