// dxv: deadline-aware exhaustive visits, the default. Close up it compares everything, at a distance it keeps lists.
#include "policy/scheduling/registry.hpp"
#include "policy/scheduling/strategies/dxv_close.hpp"

namespace fastptm::policy::scheduling {

namespace {

class dxv final : public strategy {
  void decide(board& b) override { close_.decide(b); }

  dxv_close close_;
};

} // namespace

std::unique_ptr<strategy> make_dxv(const options&) {
  return std::make_unique<dxv>();
}

} // namespace fastptm::policy::scheduling
