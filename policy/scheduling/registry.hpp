// The strategies by name.
#pragma once

#include <memory>

#include "policy/scheduling/strategy.hpp"

namespace fastptm::policy::scheduling {

// Each is in strategies/<name>.cpp.
std::unique_ptr<strategy> make_affinity(const options& chosen);
std::unique_ptr<strategy> make_dxv(const options& chosen);
std::unique_ptr<strategy> make_edf(const options& chosen);
std::unique_ptr<strategy> make_fcfs(const options& chosen);
std::unique_ptr<strategy> make_least_loaded(const options& chosen);
std::unique_ptr<strategy> make_omls(const options& chosen);
std::unique_ptr<strategy> make_omls_clean(const options& chosen);
std::unique_ptr<strategy> make_round_robin(const options& chosen);
std::unique_ptr<strategy> make_sjf(const options& chosen);

} // namespace fastptm::policy::scheduling
