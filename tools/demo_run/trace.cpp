// Draws arrivals, models, sentences and deadlines.
#include "tools/demo_run/trace.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <fstream>

#include "core/random.hpp"

namespace fastptm::demo {

namespace {

std::vector<double> zipf_sums(uint32_t n, double exponent) {
  std::vector<double> sums;
  double sum = 0;
  for (uint32_t rank = 1; rank <= n; ++rank) sums.push_back(sum += std::pow(rank, -exponent));
  return sums;
}

uint32_t draw_rank(const std::vector<double>& sums, core::prng& random) {
  const auto at = std::upper_bound(sums.begin(), sums.end(), random.unit() * sums.back());
  return static_cast<uint32_t>(std::min<ptrdiff_t>(at - sums.begin(), static_cast<ptrdiff_t>(sums.size()) - 1));
}

} // namespace

std::vector<planned_request> draw_trace(const trace_options& options) {
  constexpr std::array<core::duration_us, 3> deadlines_us{500'000, 1'000'000, 2'000'000};
  core::prng random(options.seed);
  const auto sums = zipf_sums(options.models, 0.9);
  std::vector<planned_request> trace;
  for (double at_s = 0;;) {
    at_s += -std::log(1.0 - random.unit()) / options.requests_per_s;
    if (at_s >= options.seconds) return trace;
    trace.push_back({static_cast<core::time_us>(at_s * 1e6), draw_rank(sums, random),
                     static_cast<uint32_t>(random.below(options.sentences)), deadlines_us[random.below(3)]});
  }
}

std::vector<std::string> read_sentences(const std::string& path, size_t limit) {
  std::ifstream file(path);
  std::vector<std::string> sentences;
  std::string sentence;
  for (char c; file.get(c) && sentences.size() < limit;) {
    const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (!space)
      sentence += c;
    else if (!sentence.empty() && sentence.back() != ' ')
      sentence += ' ';
    if (c != '.' && c != ';') continue;
    if (sentence.size() >= 20 && sentence.size() <= 300) sentences.push_back(sentence);
    sentence.clear();
  }
  return sentences;
}

} // namespace fastptm::demo
