// Pairs of a publication into an empty store and a plain write of as many bytes.
#include "bench/publish_bench.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "core/clock.hpp"
#include "weights/store/publisher.hpp"

namespace fastptm::bench {

namespace {

constexpr size_t write_bytes = 4 << 20;

core::result<core::duration_us> write_bare(const std::filesystem::path& file, uint64_t bytes) {
  const std::vector<char> block(write_bytes, 'x');
  const auto start_us = core::monotonic_now_us();
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return core::fail(core::from_errno(errno, file.string()));
  bool good = true;
  for (uint64_t done = 0; good && done < bytes;) {
    const auto n = write(descriptor, block.data(), std::min<uint64_t>(write_bytes, bytes - done));
    good = n > 0;
    done += static_cast<uint64_t>(std::max<ssize_t>(n, 0));
  }
  good = good && fdatasync(descriptor) == 0;
  const auto cause = core::from_errno(errno, file.string());
  close(descriptor);
  const auto took_us = std::max<core::duration_us>(core::monotonic_now_us() - start_us, 1);
  std::error_code trouble;
  std::filesystem::remove(file, trouble);
  if (!good) return core::fail(cause);
  return took_us;
}

struct sample {
  uint64_t bytes = 0;
  core::duration_us took_us = 0;
};

core::result<sample> publish_once(const publish_bench_options& options) {
  const auto folder = options.scratch / "store";
  const auto measured = [&]() -> core::result<sample> {
    auto store = weights::content_store::open(folder);
    if (!store) return core::fail(store.error());
    auto models = weights::catalogue::open(folder / "catalogue.sqlite");
    if (!models) return core::fail(models.error());
    weights::publish_request request;
    request.folder = options.model;
    request.tenant = "bench";
    request.name = "model";
    const auto start_us = core::monotonic_now_us();
    const auto published = weights::publish(request, *store, *models);
    if (!published) return core::fail(published.error());
    return sample{published->entry.total_bytes, std::max<core::duration_us>(core::monotonic_now_us() - start_us, 1)};
  }();
  std::error_code trouble;
  std::filesystem::remove_all(folder, trouble);
  return measured;
}

uint64_t rate(uint64_t bytes, core::duration_us took_us) {
  return bytes * 1'000'000 / static_cast<uint64_t>(took_us);
}

uint64_t median(std::vector<uint64_t> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

} // namespace

core::result<publish_bench_result> run_publish_bench(const publish_bench_options& options) {
  publish_bench_result out;
  std::vector<uint64_t> rates, bares, fractions;
  for (unsigned i = 0; i <= options.repetitions; ++i) {
    const auto one = publish_once(options);
    if (!one) return core::fail(one.error());
    out.bytes = one->bytes;
    const auto bare_us = write_bare(options.scratch / "bare", one->bytes);
    if (!bare_us) return core::fail(bare_us.error());
    if (i == 0) continue; // warms up
    rates.push_back(rate(one->bytes, one->took_us));
    bares.push_back(rate(one->bytes, *bare_us));
    fractions.push_back(static_cast<uint64_t>(*bare_us * 1'000'000 / one->took_us));
  }
  out.rate_bps = median(rates);
  out.bare_bps = median(bares);
  out.fraction_ppm = median(fractions);
  return out;
}

} // namespace fastptm::bench
