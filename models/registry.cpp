// The list of families; see skeleton.hpp.
#include "models/skeleton/skeleton.hpp"

#include "core/check.hpp"
#include "models/encoder/skeleton.hpp"

namespace fastptm::engine {

std::unique_ptr<skeleton> make_skeleton(const weights::architecture& arch) {
  switch (arch.family) {
    case weights::family::bert:
      return std::make_unique<bert::skeleton>(arch);
  }
  core::check(false, "an architecture of a known family");
  return nullptr;
}

} // namespace fastptm::engine
