// Hands calls of other threads to the pump, and drives both sides there.
#include "transport/sockets/backend.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "transport/network_engine.hpp"
#include "transport/sockets/fetching.hpp"
#include "transport/sockets/serving.hpp"

namespace fastptm::transport::sockets {

namespace {

constexpr core::duration_us stop_us = 5'000'000;
// A tenth of a millisecond: while bytes move the next ones come sooner, and a sleep and a wake-up cost a fifth of the rate.
constexpr unsigned rounds_before_sleep = 200;

} // namespace

class backend::engine final : public network_engine {
public:
  engine(backend_options options, exporter& exports);
  ~engine() override;
  core::result<void> start();

  // -- the pump -------------------------------------------------------------------------------------------------------
  bool progress() override;
  unsigned spin_rounds() const override { return rounds_before_sleep; }
  bool arm() override { return !has_posted(); }
  int event_file() const override { return poller_.file(); }
  core::duration_us sleep_limit_us() const override;

private:
  void begin(wanted_fetch what) override {
    core::check(what.request.target.kind != core::memory_kind::device, "sockets fill memory of the host");
    fetching_.fetch(std::move(what));
  }
  void give_up(transport::fetch_id id) override { fetching_.cancel(id); }
  void leave(const std::string& node, uint64_t incarnation) override {
    fetching_.close_peer(node, incarnation);
    serving_.close_peer(node);
  }
  void on_read(uint64_t id, bool complete, std::optional<uint64_t> checksum) override {
    fetching_.on_read(id, complete, checksum);
  }

  const backend_options options_;
  const cluster_secret secret_;
  core::monotonic_clock clock_;
  core::metrics_registry unseen_;
  connection_metrics counts_;

  poller poller_;
  serving serving_;
  fetching fetching_;
};

backend::engine::engine(backend_options options, exporter& exports)
    : network_engine(options.fetches_in_flight, options.copiers != nullptr), options_(std::move(options)),
      secret_(options_.secret), counts_(options_.metrics ? *options_.metrics : unseen_),
      serving_(poller_, exports, secret_, options_.incarnation, options_.serving, counts_),
      fetching_(poller_, secret_, options_.node, options_.connect_us, reading(options_.copiers.get(), options_.fill)) {
  fetching_.on_path = [this](const std::string& node, path way) { note_path(node, way); };
}

core::result<void> backend::engine::start() {
  const auto port = serving_.listen(options_.listen_host, options_.listen_port);
  if (!port) return core::fail(port.error());
  start_pump(*port, "data-pump", options_.on_pump_start);
  return {};
}

backend::engine::~engine() {
  stop_pump(); // what was accepted is failed below like the rest
  fetching_.close_all();
  serving_.close_all();
  const auto give_up_us = clock_.now_us() + stop_us;
  while (!fetching_.empty() && clock_.now_us() < give_up_us) progress();
  // Leaving with a thread still writing into somebody's memory would be worse than ending here.
  core::check(fetching_.empty(), "a read of a peer's memory ends");
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
  engine_->cancel(id);
}
void backend::close_peer(std::string_view node, uint64_t incarnation) {
  engine_->close_peer(node, incarnation);
}
path backend::path_to(const peer_address& peer) const {
  return engine_->path_to(peer);
}
uint16_t backend::port() const {
  return engine_->port();
}

} // namespace fastptm::transport::sockets
