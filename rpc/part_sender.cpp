// One call after the other, each as the flow control of the connection allows.
#include "rpc/part_sender.hpp"

namespace fastptm::rpc {

void part_sender::send(const protocol::answer_part& part) {
  last_ = last_
              .then([this, part] {
                auto call = to_.partRequest();
                call.setFirst(part.first);
                auto ids = call.initIds(static_cast<unsigned>(part.ids.size()));
                for (unsigned i = 0; i < ids.size(); ++i) ids.set(i, part.ids[i]);
                call.setOutput({part.output.bytes.data(), part.output.bytes.size()});
                return call.send();
              })
              .catch_([](kj::Exception&&) {}) // a receiver that broke still gets its answer, or is gone
              .eagerlyEvaluate(nullptr);
}

} // namespace fastptm::rpc
