// Hands calls of other threads to the pump, and drives both sides there.
#include "transport/sockets/backend.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/mutex.hpp"
#include "transport/pump.hpp"
#include "transport/sockets/fetching.hpp"
#include "transport/sockets/serving.hpp"

namespace fastptm::transport::sockets {

namespace {

constexpr core::duration_us stop_us = 5'000'000;
// A tenth of a millisecond: while bytes move the next ones come sooner, and a sleep and a wake-up cost a fifth of the rate.
constexpr unsigned rounds_before_sleep = 200;

struct cancel_command {
  transport::fetch_id id;
};
struct close_command {
  std::string node;
};
struct read_command {
  uint64_t id;
  bool complete;
  std::optional<uint64_t> checksum;
};
using command = std::variant<wanted_fetch, cancel_command, close_command, read_command>;

template <class... Fs> struct overloaded : Fs... { using Fs::operator()...; };

} // namespace

class backend::engine final : public pumped {
public:
  engine(backend_options options, exporter& exports);
  ~engine() override;
  core::result<void> start();

  // -- any thread -----------------------------------------------------------------------------------------------------
  core::result<transport::fetch_id> fetch(const peer_address& peer, const fetch_request& request, fetch_done done);
  void post(command what);
  path path_to(const peer_address& peer) const;

  uint16_t port() const { return port_; }

  // -- the pump -------------------------------------------------------------------------------------------------------
  bool progress() override;
  unsigned spin_rounds() const override { return rounds_before_sleep; }
  bool arm() override { return !has_posted_.load(std::memory_order_acquire); }
  int event_file() const override { return poller_.file(); }
  core::duration_us sleep_limit_us() const override;

private:
  bool carry_out_posted();
  void carry_out(command& what);

  const backend_options options_;
  const cluster_secret secret_;
  const std::string boot_id_ = this_boot_id();
  uint16_t port_ = 0;
  core::monotonic_clock clock_;
  std::atomic<uint64_t> last_fetch_{0};
  std::atomic<uint32_t> outstanding_{0};

  // What other threads hand to the pump, and the paths it tells them.
  mutable core::mutex mutex_;
  std::vector<command> posted_ FASTPTM_GUARDED_BY(mutex_);
  std::unordered_map<std::string, path> paths_ FASTPTM_GUARDED_BY(mutex_);
  std::atomic<bool> has_posted_{false};

  core::metrics_registry unseen_;
  connection_metrics counts_;

  // The pump's.
  poller poller_;
  serving serving_;
  fetching fetching_;
  std::vector<command> taken_;
  std::unique_ptr<pump> pump_; // last: stops before anything it drives goes away
};

backend::engine::engine(backend_options options, exporter& exports)
    : options_(std::move(options)), secret_(options_.secret), counts_(options_.metrics ? *options_.metrics : unseen_),
      serving_(poller_, exports, secret_, options_.incarnation, options_.serving, counts_),
      fetching_(
          poller_, secret_, options_.node, options_.connect_us,
          {options_.copiers.get(), options_.fill, [this](uint64_t id, bool complete, std::optional<uint64_t> checksum) {
             post(read_command{id, complete, checksum});
           }}) {
  fetching_.on_path = [this](const std::string& node, path way) {
    core::mutex_lock lock(mutex_);
    paths_[node] = way;
  };
}

core::result<void> backend::engine::start() {
  const auto port = serving_.listen(options_.listen_host, options_.listen_port);
  if (!port) return core::fail(port.error());
  port_ = *port;
  pump_ = std::make_unique<pump>(*this, "data-pump", options_.on_pump_start);
  return {};
}

backend::engine::~engine() {
  pump_.reset();
  carry_out_posted(); // what was accepted is failed below like the rest
  fetching_.close_all();
  serving_.close_all();
  const auto give_up_us = clock_.now_us() + stop_us;
  while (!fetching_.empty() && clock_.now_us() < give_up_us) progress();
  // Leaving with a thread still writing into somebody's memory would be worse than ending here.
  core::check(fetching_.empty(), "a read of a peer's memory ends");
}

core::result<transport::fetch_id> backend::engine::fetch(const peer_address& peer, const fetch_request& request,
                                                         fetch_done done) {
  core::check(request.timeout_us > 0, "a fetch has a deadline");
  core::check(request.target.size_bytes >= request.source.length_bytes, "the target holds what is fetched");
  core::check(request.target.kind != core::memory_kind::device, "sockets fill memory of the host");
  if (outstanding_.fetch_add(1) >= options_.fetches_in_flight) {
    outstanding_.fetch_sub(1);
    return core::fail(core::errc::busy, fmt::format("{} fetches are in flight", options_.fetches_in_flight));
  }
  const transport::fetch_id id{++last_fetch_};
  auto counted = [this, done = std::move(done)](core::result<fetched> result) {
    outstanding_.fetch_sub(1);
    done(std::move(result));
  };
  post(wanted_fetch{id, peer, request, clock_.now_us(), std::move(counted)});
  return id;
}

void backend::engine::post(command what) {
  {
    core::mutex_lock lock(mutex_);
    posted_.push_back(std::move(what));
    has_posted_.store(true, std::memory_order_release);
  }
  if (pump_ && !pump_->is_this_thread()) pump_->wake();
}

path backend::engine::path_to(const peer_address& peer) const {
  core::mutex_lock lock(mutex_);
  if (const auto found = paths_.find(peer.node); found != paths_.end()) return found->second;
  return options_.copiers && !peer.boot_id.empty() && peer.boot_id == boot_id_ ? path::cma : path::tcp;
}

bool backend::engine::carry_out_posted() {
  if (!has_posted_.load(std::memory_order_acquire)) return false;
  {
    core::mutex_lock lock(mutex_);
    taken_.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (auto& what : taken_) carry_out(what);
  taken_.clear();
  return true;
}

void backend::engine::carry_out(command& what) {
  std::visit(overloaded{[this](wanted_fetch& fetch) { fetching_.fetch(std::move(fetch)); },
                        [this](cancel_command& cancel) { fetching_.cancel(cancel.id); },
                        [this](close_command& close) {
                          fetching_.close_peer(close.node);
                          serving_.close_peer(close.node);
                        },
                        [this](read_command& read) { fetching_.on_read(read.id, read.complete, read.checksum); }},
             what);
}

bool backend::engine::progress() {
  bool worked = carry_out_posted();
  const auto now = clock_.now_us();
  for (const auto& each : poller_.now()) worked |= serving_.on_event(each, now) || fetching_.on_event(each, now);
  worked |= serving_.check(now);
  return fetching_.check(now) || worked;
}

core::duration_us backend::engine::sleep_limit_us() const {
  return std::min(serving_.until_check_us(), fetching_.until_check_us(clock_.now_us()));
}

// -- backend ----------------------------------------------------------------------------------------------------------

core::result<std::unique_ptr<backend>> backend::create(backend_options options, exporter& exports) {
  auto made = std::make_unique<engine>(std::move(options), exports);
  if (auto started = made->start(); !started) return core::fail(started.error());
  return std::unique_ptr<backend>(new backend(std::move(made)));
}

backend::backend(std::unique_ptr<engine> made) : engine_(std::move(made)) {}
backend::~backend() = default;

core::result<transport::fetch_id> backend::fetch(const peer_address& peer, const fetch_request& request,
                                                 fetch_done done) {
  return engine_->fetch(peer, request, std::move(done));
}

void backend::cancel(transport::fetch_id id) {
  engine_->post(cancel_command{id});
}
void backend::close_peer(std::string_view node) {
  engine_->post(close_command{std::string(node)});
}
path backend::path_to(const peer_address& peer) const {
  return engine_->path_to(peer);
}
uint16_t backend::port() const {
  return engine_->port();
}
} // namespace fastptm::transport::sockets
