// The published generator, draw for draw: the order of random numbers is part of the format.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <queue>
#include <string>
#include <tuple>

#include "core/random.hpp"
#include "sim/workload.hpp"

namespace fastptm::sim {

namespace {

// H100-like: small encoders to 7B; and the share of models of each class.
struct class_share {
  workload_class values;
  double share;
};
constexpr std::array<class_share, 4> standard_classes{{{{0.41e9, 2.0, 1.0, 100.0}, 0.60},
                                                       {{1.3e9, 4.0, 2.0, 200.0}, 0.30},
                                                       {{3.0e9, 8.0, 4.0, 400.0}, 0.08},
                                                       {{14e9, 30.0, 10.0, 1500.0}, 0.02}}};

class generator {
public:
  explicit generator(const workload_options& chosen)
      : o_(chosen), random_(chosen.seed), on_share_(chosen.on_s / (chosen.on_s + chosen.off_s)),
        peak_(1.0 + chosen.amplitude) {}

  workload make() {
    for (const class_share& c : standard_classes) w_.classes.push_back(c.values);
    draw_popularity();
    draw_classes();
    start_models();
    w_.requests.reserve(o_.requests);
    while (w_.requests.size() < o_.requests) step();
    return std::move(w_);
  }

private:
  enum kind : int { arrival, flip, timer };
  using occurrence = std::tuple<double, uint32_t, int>;
  struct model {
    double weight = 0, off_rate = 0, flip_at = 0, burst = 1.0;
    bool timed = false, on = false;
  };

  double exponential(double mean) { return -mean * std::log(1.0 - random_.unit()); }
  double sojourn(const model& m) { return exponential(m.on ? o_.on_s : o_.off_s); }

  void draw_popularity() {
    std::vector<uint32_t> order(o_.models);
    for (uint32_t i = 0; i < o_.models; ++i) order[i] = i;
    for (uint32_t i = o_.models; i > 1; --i) std::swap(order[i - 1], order[random_.next() % i]);
    models_.resize(o_.models);
    double sum = 0;
    for (uint32_t i = 0; i < o_.models; ++i) sum += std::pow(i + 1, -o_.alpha);
    for (uint32_t i = 0; i < o_.models; ++i) models_[order[i]].weight = std::pow(i + 1, -o_.alpha) / sum;
  }

  void draw_classes() {
    for (uint32_t i = 0; i < o_.models; ++i) {
      double u = random_.unit();
      uint8_t k = 0;
      while (k < standard_classes.size() - 1 && u >= standard_classes[k].share) u -= standard_classes[k++].share;
      w_.class_of.push_back(k);
    }
  }

  void start_models() {
    for (uint32_t i = 0; i < o_.models; ++i) {
      model& m = models_[i];
      m.timed = random_.unit() < o_.timers && o_.rate * m.weight * o_.period_s <= o_.timer_max;
      const double mean_rate = o_.rate * m.weight * peak_;
      if (m.timed) {
        coming_.emplace(random_.unit() * o_.period_s, i, timer);
        continue;
      }
      // Popular models are smoother.
      m.burst = 1.0 + (o_.burst - 1.0) * std::min(1.0, std::sqrt(1.0 / (o_.models * m.weight)));
      m.off_rate = mean_rate / (1 - on_share_ + m.burst * on_share_);
      m.on = random_.unit() < on_share_;
      m.flip_at = sojourn(m);
      plan(i, 0.0);
    }
  }

  // The next candidate arrival, or the change of state before it.
  void plan(uint32_t i, double t) {
    const model& m = models_[i];
    const double next = t + exponential(1.0 / (m.off_rate * (m.on ? m.burst : 1.0)));
    if (next <= m.flip_at) {
      coming_.emplace(next, i, arrival);
    } else {
      coming_.emplace(m.flip_at, i, flip);
    }
  }

  void step() {
    const auto [t, i, what] = coming_.top();
    coming_.pop();
    model& m = models_[i];
    if (what == timer) return fire_timer(t, i);
    if (what == flip) {
      m.on = !m.on;
      m.flip_at = t + sojourn(m);
    } else if (random_.unit() * peak_ < 1 + o_.amplitude * std::sin(2 * std::numbers::pi * t / o_.day_s)) {
      add(t, i);
    }
    plan(i, t);
  }

  void fire_timer(double t, uint32_t i) {
    const double mean = o_.rate * models_[i].weight * o_.period_s;
    auto count = static_cast<uint64_t>(mean);
    count += random_.unit() < mean - static_cast<double>(count) ? 1 : 0;
    for (; count > 0 && w_.requests.size() < o_.requests; --count) add(t, i);
    coming_.emplace(t + o_.period_s, i, timer);
  }

  void add(double t, uint32_t i) { w_.requests.push_back({static_cast<uint64_t>(t * 1e6), i}); }

  const workload_options& o_;
  core::prng random_;
  double on_share_, peak_;
  workload w_;
  std::vector<model> models_;
  std::priority_queue<occurrence, std::vector<occurrence>, std::greater<>> coming_;
};

} // namespace

core::result<workload> generate(const workload_options& o) {
  const auto bad = [](const std::string& what) { return core::fail(core::errc::invalid, "gen-workload: " + what); };
  if (o.models < 1 || o.models > (1u << 20)) return bad("--models must be 1 to 1048576");
  if (o.requests < 1 || o.requests > (1ull << 28)) return bad("--requests must be 1 to 268435456");
  if (!(o.rate > 0 && o.rate <= 1e9)) return bad("--rate must be above 0 and at most 1e9 requests/s");
  if (!(o.on_s > 0 && o.off_s > 0 && o.period_s > 0 && o.day_s > 0)) return bad("times must be above 0");
  if (!(o.burst >= 1 && o.burst <= 1e6 && o.alpha >= 0 && o.alpha <= 10))
    return bad("--burst must be 1 to 1e6, --alpha 0 to 10");
  if (!(o.timers >= 0 && o.timers <= 1 && o.amplitude >= 0 && o.amplitude < 1))
    return bad("--timers must be 0 to 1, --amp 0 to below 1");
  return generator(o).make();
}

} // namespace fastptm::sim
