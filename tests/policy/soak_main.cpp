// The rules of the scheduling core for hours: `policy_soak --cases N --seed S [--steps K] [--strategy NAME]`.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/policy/random_cluster.hpp"

int main(int argc, char** argv) {
  using namespace fastptm::policy::scheduling;
  uint64_t cases = 10'000, seed = 1, steps = 600;
  std::string only;
  for (int i = 1; i < argc; i += 2) {
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (std::strcmp(argv[i], "--cases") == 0) {
      cases = std::strtoull(value, nullptr, 10);
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      seed = std::strtoull(value, nullptr, 10);
    } else if (std::strcmp(argv[i], "--steps") == 0) {
      steps = std::strtoull(value, nullptr, 10);
    } else if (std::strcmp(argv[i], "--strategy") == 0) {
      only = value;
    } else {
      std::fprintf(stderr, "usage: policy_soak [--cases N] [--seed S] [--steps K] [--strategy NAME]\n");
      return 2;
    }
  }
  uint64_t requests = 0;
  for (uint64_t n = 0; n < cases; ++n) {
    for (const std::string_view name : strategy_names()) {
      if (!only.empty() && name != only) continue;
      const case_result r = run_case(name, seed + n, static_cast<uint32_t>(steps));
      requests += r.requests;
      for (const std::string& p : r.problems) std::printf("%.*s: %s\n", int(name.size()), name.data(), p.c_str());
      if (!r.problems.empty()) return 1;
    }
    if (n % 1000 == 999) std::fprintf(stderr, "%llu cases\n", static_cast<unsigned long long>(n + 1));
  }
  std::printf("%llu cases of every strategy from seed %llu, %llu requests: every rule held\n",
              static_cast<unsigned long long>(cases), static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(requests));
  return 0;
}
