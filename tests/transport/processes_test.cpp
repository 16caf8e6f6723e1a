// Loads between real processes that get kill -9 and SIGSTOP in mid-fetch, and clients that get it.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "bench/fetch_source.hpp"
#include "core/mutex.hpp"
#include "core/random.hpp"
#include "tests/support/until.hpp"
#include "transport/same_host/backend.hpp"
#include "transport/sockets/backend.hpp"
#include "weights/format/hash.hpp"
#include "weights/load/loader.hpp"

namespace fastptm {

namespace {

using bench::fetch_source;
constexpr uint64_t shard_bytes = 16 << 20;
constexpr uint32_t shard_count = 8;
constexpr uint64_t total_bytes = shard_bytes * shard_count;
constexpr auto patience = std::chrono::seconds(20);
const std::string secret = "a secret of the cluster";

uint64_t seed_of_run() {
  static const uint64_t seed = [] {
    const char* given = std::getenv("FASTPTM_TEST_SEED");
    const auto chosen = given ? std::strtoull(given, nullptr, 10) : core::true_random_u64();
    printf("FASTPTM_TEST_SEED=%lu\n", static_cast<unsigned long>(chosen));
    return chosen;
  }();
  return seed;
}

// More of them before a release: FASTPTM_TEST_ROUNDS=1000.
int rounds_of_run(int otherwise) {
  const char* given = std::getenv("FASTPTM_TEST_ROUNDS");
  return given ? std::atoi(given) : otherwise;
}

#if defined(__SANITIZE_ADDRESS__) // keeps what was freed
constexpr uint64_t most_growth_bytes = 1 << 30;
#else
constexpr uint64_t most_growth_bytes = 64 << 20;
#endif

size_t open_files() {
  size_t files = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++files;
  return files;
}

uint64_t resident_bytes() {
  uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

std::unique_ptr<transport::fetcher> make_fetcher(transport::path way) {
  static transport::exporter nothing;
  if (way == transport::path::map) {
    transport::same_host::backend_options options;
    options.secret = secret;
    options.copy = weights::copy_and_checksum;
    options.copiers = std::make_shared<transport::copy_pool>(2);
    return std::make_unique<transport::same_host::backend>(options);
  }
  transport::sockets::backend_options options;
  options.secret = secret;
  if (way == transport::path::cma) options.copiers = std::make_shared<transport::copy_pool>(2);
  options.fill = weights::fill_and_checksum;
  auto made = transport::sockets::backend::create(options, nothing);
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

struct outcome {
  core::result<void> result;
  weights::load_report report;
  const weights::source_report& of(const std::string& node) const {
    return *std::find_if(report.sources.begin(), report.sources.end(), [&](auto& each) { return each.node == node; });
  }
};

// A thread that has a load look around when it wants to, as the timer of a transfer does.
class looking {
public:
  explicit looking(const core::clock& clock) : clock_(clock), thread_([this] { run(); }) {}
  ~looking() {
    {
      const core::mutex_lock lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void at(core::time_us at_us) {
    {
      const core::mutex_lock lock(mutex_);
      at_us_ = std::min(at_us_, at_us);
    }
    changed_.notify_one();
  }
  std::shared_ptr<weights::loader> load; // before it starts

private:
  void run() {
    core::mutex_lock lock(mutex_);
    while (!over_) {
      const auto pause_us = std::min<core::duration_us>(at_us_ - clock_.now_us(), 1'000'000);
      if (pause_us > 0) {
        (void)changed_.wait_until(lock, std::chrono::steady_clock::now() + std::chrono::microseconds(pause_us));
        continue;
      }
      at_us_ = never_us;
      lock.unlock();
      load->look();
      lock.lock();
    }
  }

  static constexpr auto never_us = std::numeric_limits<core::time_us>::max();
  const core::clock& clock_;
  core::mutex mutex_;
  core::condition changed_;
  core::time_us at_us_ FASTPTM_GUARDED_BY(mutex_) = never_us;
  bool over_ FASTPTM_GUARDED_BY(mutex_) = false;
  std::thread thread_; // last: uses the others
};

class Processes : public testing::TestWithParam<transport::path> {
protected:
  Processes() : random_(seed_of_run()) {
    bench::fill_with_pattern(original_.region(), 1);
    fetcher_ = make_fetcher(GetParam());
  }

  fetch_source& start_source(const std::string& node, uint64_t seed = 1) {
    auto made = fetch_source::execute({node, total_bytes, seed, GetParam() == transport::path::map, secret});
    EXPECT_TRUE(made) << made.error().message;
    sources_.push_back(std::move(*made));
    return *sources_.back();
  }

  // Starts a load from every source; `after_shard` is called once that many shards are verified.
  std::future<outcome> start_load(uint32_t shards_before = 0, std::function<void()> after_shard = {}) {
    std::memset(target_.region().address, 0xee, total_bytes);
    std::vector<weights::shard_to_load> shards;
    for (uint32_t i = 0; i < shard_count; ++i) {
      weights::shard_to_load shard{target_.region().slice(i * shard_bytes, shard_bytes), {}};
      const auto original = original_.region().slice(i * shard_bytes, shard_bytes);
      for (uint64_t at = 0; at < shard_bytes; at += weights::chunk_bytes)
        shard.chunk_checksums.push_back(weights::chunk_checksum(original.address + at, weights::chunk_bytes));
      shards.push_back(std::move(shard));
    }
    auto ended = std::make_shared<std::promise<outcome>>();
    weights::loader_callbacks callbacks;
    auto verified = std::make_shared<std::atomic<uint32_t>>(0);
    callbacks.shard_verified = [=](uint32_t) {
      if (++*verified == shards_before && after_shard) after_shard();
    };
    auto& looker = *lookers_.emplace_back(std::make_unique<looking>(clock_));
    callbacks.look_at = [&looker](core::time_us at_us) { looker.at(at_us); };
    callbacks.done = [ended](core::result<void> result, weights::load_report report) {
      ended->set_value({std::move(result), std::move(report)});
    };
    weights::loader_options options;
    options.plan.late_us = late_us_;
    auto load = weights::loader::make(options, std::move(shards), checker_, clock_, std::move(callbacks));
    for (const auto& source : sources_) {
      weights::load_source from;
      from.kind = policy::source_kind::peer_device;
      from.peer = source->address();
      from.via = fetcher_.get();
      for (uint32_t i = 0; i < shard_count; ++i)
        from.holds.push_back({i, source->region().region, source->region().generation, i * shard_bytes});
      load->add_source(std::move(from));
    }
    looker.load = load;
    load->start();
    return ended->get_future();
  }

  bool target_is_right() const {
    return std::memcmp(target_.region().address, original_.region().address, total_bytes) == 0;
  }

  core::prng random_;
  core::duration_us late_us_ = 2'000'000; // a busy machine is no hung source
  core::monotonic_clock clock_;
  bench::warm_memory original_{total_bytes}, target_{total_bytes};
  weights::verifier checker_{1};
  std::deque<std::unique_ptr<fetch_source>> sources_;
  std::unique_ptr<transport::fetcher> fetcher_; // ends before the target does
  std::vector<std::unique_ptr<looking>> lookers_;
};

TEST_P(Processes, LoadsFromSeveralSourcesAndSaysByWhichPath) {
  start_source("a");
  start_source("b");
  auto load = start_load();
  ASSERT_EQ(load.wait_for(patience), std::future_status::ready);
  const auto end = load.get();
  ASSERT_TRUE(end.result) << end.result.error().message;
  EXPECT_TRUE(target_is_right());
  EXPECT_EQ(end.report.bytes_moved, total_bytes);
  EXPECT_GT(end.of("a").bytes, 0u);
  EXPECT_GT(end.of("b").bytes, 0u);
  EXPECT_EQ(end.of("a").path, transport::to_string(GetParam()));
  EXPECT_EQ(end.report.bad_chunks, 0u);
}

TEST_P(Processes, FinishesWhenASourceIsKilledInMidFetch) {
  for (int round = 0; round < 8; ++round) {
    sources_.clear();
    const auto victim = start_source("victim").pid();
    start_source("other");
    auto load = start_load(1 + static_cast<uint32_t>(random_.below(4)), [victim] { kill(victim, SIGKILL); });
    ASSERT_EQ(load.wait_for(patience), std::future_status::ready);
    const auto end = load.get();
    ASSERT_TRUE(end.result) << end.result.error().message;
    EXPECT_TRUE(target_is_right());
    EXPECT_FALSE(end.of("other").failed);
    EXPECT_TRUE(GetParam() != transport::path::map || !end.of("victim").failed) << "a mapping outlives its owner";
  }
}

TEST_P(Processes, FinishesWhenASourceHangsInMidFetchAndIsNotHarmedWhenItWakes) {
  late_us_ = 250'000;
  const auto victim = start_source("victim").pid();
  start_source("other");
  auto load = start_load(1, [victim] { kill(victim, SIGSTOP); });
  ASSERT_EQ(load.wait_for(patience), std::future_status::ready);
  const auto end = load.get();
  ASSERT_TRUE(end.result) << end.result.error().message;
  EXPECT_TRUE(target_is_right());
  // The memory is ours again: what the sleeper still had to send must not arrive in it.
  std::memset(target_.region().address, 0x55, total_bytes);
  kill(victim, SIGCONT);
  EXPECT_GT(sources_.front()->cpu_us(), 0); // it runs: what it had queued went out before or is refused
  transport::fetch_request request;
  request.source = {sources_.front()->region().region, sources_.front()->region().generation, 0, 4096};
  std::vector<std::byte> page(4096);
  request.target = {page.data(), page.size()};
  request.timeout_us = 10'000'000;
  std::promise<bool> fetched;
  ASSERT_TRUE(fetcher_->fetch(sources_.front()->address(), request,
                              [&](core::result<transport::fetched> got) { fetched.set_value(got.has_value()); }));
  EXPECT_TRUE(fetched.get_future().get()) << "a woken source serves again";
  for (uint64_t i = 0; i < total_bytes; ++i) ASSERT_EQ(target_.region().address[i], std::byte{0x55}) << "at " << i;
}

// When the victim gets its signal.
enum class moment : uint32_t { before_it_is_asked, asked, amid_its_bytes, at_the_end };

TEST_P(Processes, EveryLoadEndsRightWhateverDiesOrStopsWhen) {
  late_us_ = 250'000;
  const int rounds = rounds_of_run(12), warm_rounds = std::min(10, rounds / 2);
  start_source("other");
  size_t files_before = 0;
  uint64_t resident_before = 0;
  std::map<int, std::vector<core::duration_us>> took_us; // by signal; 0: undisturbed
  for (int round = 0; round < rounds; ++round) {
    if (round == warm_rounds) {
      files_before = open_files();
      resident_before = resident_bytes();
    }
    lookers_.clear(); // of the round before
    const auto victim = start_source("victim").pid();
    const int signals[] = {0, SIGKILL, SIGKILL, SIGSTOP};
    const int signal = signals[random_.below(4)];
    const auto when = static_cast<moment>(random_.below(4));
    const auto pause_us = static_cast<useconds_t>(random_.below(20'000)); // a moment that nobody has chosen
    SCOPED_TRACE(testing::Message() << "round " << round << ": signal " << signal << " at moment "
                                    << static_cast<uint32_t>(when) << " + " << pause_us << " us");
    const auto strike = [=] {
      if (signal != 0) kill(victim, signal);
    };
    if (when == moment::before_it_is_asked) strike();
    const auto began_us = clock_.now_us();
    auto load = start_load(when == moment::at_the_end ? shard_count - 1 : 1,
                           when >= moment::amid_its_bytes ? strike : std::function<void()>());
    if (when == moment::asked) {
      usleep(pause_us); // a moment that nobody has chosen
      strike();
    }
    ASSERT_EQ(load.wait_for(patience), std::future_status::ready);
    took_us[signal].push_back(clock_.now_us() - began_us);
    const auto end = load.get();
    ASSERT_TRUE(end.result) << end.result.error().message;
    ASSERT_TRUE(target_is_right());
    EXPECT_FALSE(end.of("other").failed);
    kill(victim, SIGKILL);
    fetcher_->close_peer("victim", sources_.back()->address().incarnation); // as the directory says
    sources_.pop_back();
  }
  for (auto& [signal, times] : took_us) {
    std::ranges::sort(times);
    printf("signal %d: %zu loads, median %ld us, p95 %ld us, longest %ld us\n", signal, times.size(),
           static_cast<long>(times[times.size() / 2]), static_cast<long>(times[times.size() * 95 / 100]),
           static_cast<long>(times.back()));
  }
  EXPECT_TRUE(tests::until([&] { return open_files() <= files_before; })) << open_files() << " of " << files_before;
  EXPECT_LT(resident_bytes(), resident_before + most_growth_bytes);
}

TEST_P(Processes, FailsSoonAndClearlyWhenEverySourceIsKilled) {
  if (GetParam() == transport::path::map) GTEST_SKIP() << "a mapping outlives its owner";
  const auto a = start_source("a").pid(), b = start_source("b").pid();
  auto load = start_load(1, [=] {
    kill(a, SIGKILL);
    kill(b, SIGKILL);
  });
  ASSERT_EQ(load.wait_for(patience), std::future_status::ready);
  const auto end = load.get();
  ASSERT_FALSE(end.result);
  EXPECT_EQ(end.result.error().code, core::errc::unavailable);
  EXPECT_NE(end.result.error().message.find("no source is left"), std::string::npos) << end.result.error().message;
}

TEST_P(Processes, TakesNothingFromASourceWithOtherBytes) {
  start_source("liar", 2);
  start_source("honest", 1);
  auto load = start_load();
  ASSERT_EQ(load.wait_for(patience), std::future_status::ready);
  const auto end = load.get();
  ASSERT_TRUE(end.result) << end.result.error().message;
  EXPECT_TRUE(target_is_right());
  EXPECT_EQ(end.of("liar").bytes, 0u);
  EXPECT_TRUE(end.of("liar").failed);
  EXPECT_GT(end.report.bad_chunks, 0u);
}

// A client that fetches for ever: forked while this process has no threads but gtest's.
pid_t start_client(transport::path way, const fetch_source& from) {
  const auto pid = fork();
  if (pid != 0) return pid;
  const auto address = from.address();
  const std::vector<std::string> words = {"fetch-client",
                                          "--fetch-for-ever",
                                          std::string(transport::to_string(way)),
                                          std::to_string(address.incarnation),
                                          std::to_string(address.data_port),
                                          std::to_string(from.region().region),
                                          std::to_string(from.region().generation)};
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execv("/proc/self/exe", arguments.data());
  _exit(127);
}

int fetch_for_ever(char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto way = argv[2] == std::string_view("cma") ? transport::path::cma : transport::path::tcp;
  transport::peer_address peer{"source", std::stoull(argv[3]), transport::this_boot_id(),
                               "",       "127.0.0.1",          static_cast<uint16_t>(std::stoul(argv[4]))};
  const auto fetcher = make_fetcher(way);
  static bench::warm_memory target(4 * weights::chunk_bytes);
  std::atomic<int> in_flight = 0;
  for (uint64_t i = 0;; ++i) {
    while (in_flight >= 4) in_flight.wait(4);
    ++in_flight;
    transport::fetch_request request;
    request.source = {std::stoull(argv[5]), std::stoull(argv[6]), i % 8 * weights::chunk_bytes, weights::chunk_bytes};
    request.target = target.region().slice(i % 4 * weights::chunk_bytes, weights::chunk_bytes);
    request.timeout_us = 10'000'000;
    if (!fetcher->fetch(peer, request, [&](core::result<transport::fetched> got) {
          if (!got) _exit(1);
          --in_flight;
          in_flight.notify_one();
        }))
      return 1;
  }
}

TEST_P(Processes, ASourceSurvivesClientsThatAreKilledInMidFetch) {
  if (GetParam() == transport::path::map) GTEST_SKIP() << "its clients only read memory";
  auto& source = start_source("source");
  auto used_us = source.cpu_us();
  for (int round = 0; round < 15; ++round) {
    const auto client = start_client(GetParam(), source);
    // Bytes move once the source works for them.
    EXPECT_TRUE(tests::until([&] { return source.cpu_us() >= used_us + 2000; }));
    usleep(static_cast<useconds_t>(random_.below(20'000))); // a moment that nobody has chosen
    kill(client, SIGKILL);
    int status = 0;
    waitpid(client, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the client ended by itself";
    used_us = source.cpu_us();
    ASSERT_GT(used_us, 0) << "the source died in round " << round;
  }
  auto load = start_load();
  ASSERT_EQ(load.wait_for(patience), std::future_status::ready);
  EXPECT_TRUE(load.get().result);
  EXPECT_TRUE(target_is_right());
}

INSTANTIATE_TEST_SUITE_P(EveryPath, Processes,
                         testing::Values(transport::path::map, transport::path::cma, transport::path::tcp),
                         [](const auto& each) { return std::string(transport::to_string(each.param)); });

} // namespace

} // namespace fastptm

int main(int argc, char** argv) {
  if (const auto served = fastptm::bench::fetch_source::serve_if_asked(argc, argv)) return *served;
  if (argc == 7 && argv[1] == std::string_view("--fetch-for-ever")) return fastptm::fetch_for_ever(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
