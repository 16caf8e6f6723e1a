// Hands calls of other threads to the pump, and drives both sides there.
#include "transport/ucx/backend.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/check.hpp"
#include "transport/network_engine.hpp"
#include "transport/ucx/fetching.hpp"
#include "transport/ucx/only_address.hpp"
#include "transport/ucx/serving.hpp"

namespace fastptm::transport::ucx {

namespace {

// An answer is due within microseconds while bytes move; a sleep and a wake-up cost 70.
constexpr unsigned rounds_while_busy = 2000;
constexpr unsigned rounds_while_idle = 50;
constexpr core::duration_us stop_us = 5'000'000;

bool environment_allows_cma() {
  const char* value = std::getenv("UCX_TLS");
  if (!value) return true;
  const std::string_view transports(value);
  return transports.find("cma") != std::string_view::npos || transports.find("all") != std::string_view::npos;
}

} // namespace

class backend::engine final : public network_engine {
public:
  engine(backend_options options, exporter& exports, std::unique_ptr<worker> by);
  ~engine() override;
  core::result<void> start();

  bool cma_allowed() const { return cma_allowed_; }

  // -- the pump -------------------------------------------------------------------------------------------------------
  bool progress() override;
  unsigned spin_rounds() const override { return fetching_.receives_here() ? rounds_while_busy : rounds_while_idle; }
  bool arm() override { return !has_posted() && worker_->arm(); }
  int event_file() const override { return worker_->event_file(); }
  core::duration_us sleep_limit_us() const override;

private:
  void begin(wanted_fetch what) override { fetching_.fetch(std::move(what)); }
  void give_up(transport::fetch_id id) override { fetching_.cancel(id); }
  void leave(const std::string& node, uint64_t incarnation) override { fetching_.close_peer(node, incarnation); }
  void on_read(uint64_t id, bool complete, std::optional<uint64_t> checksum) override {
    fetching_.on_read(id, complete, checksum);
  }

  const backend_options options_;
  const cluster_secret secret_;
  const bool cma_allowed_;
  core::monotonic_clock clock_;
  std::unique_ptr<worker> worker_;
  serving serving_;
  fetching fetching_;
};

backend::engine::engine(backend_options options, exporter& exports, std::unique_ptr<worker> by)
    : network_engine(options.fetches_in_flight, environment_allows_cma()), options_(std::move(options)),
      secret_(options_.secret), cma_allowed_(environment_allows_cma()), worker_(std::move(by)),
      serving_(*worker_, exports, secret_, options_.incarnation, options_.serving),
      fetching_(*worker_, secret_, cma_allowed_, options_.connect_us, reading(options_.copiers.get(), options_.fill)) {
  fetching_.on_path = [this](const std::string& node, path way) { note_path(node, way); };
}

core::result<void> backend::engine::start() {
  if (auto started = fetching_.start(); !started) return started;
  const auto port = serving_.listen(options_.listen_host, options_.listen_port);
  if (!port) return core::fail(port.error());
  start_pump(*port, "ucx-pump", options_.on_pump_start);
  return {};
}

backend::engine::~engine() {
  stop_pump(); // what was accepted is failed below like the rest
  fetching_.close_all();
  serving_.close_all();
  const auto give_up_us = clock_.now_us() + stop_us;
  while (!(fetching_.empty() && serving_.empty()) && clock_.now_us() < give_up_us) progress();
  // Leaving with UCX still writing into somebody's memory would be worse than ending here.
  core::check(fetching_.empty() && serving_.empty(), "UCX completes every operation of a closed endpoint");
}

bool backend::engine::progress() {
  bool worked = carry_out_posted();
  worked |= worker_->progress();
  const auto now = clock_.now_us();
  worked |= serving_.progress(now);
  worked |= fetching_.progress(now);
  return worked;
}

core::duration_us backend::engine::sleep_limit_us() const {
  const auto now = clock_.now_us();
  return std::min(serving_.until_deadline_us(now), fetching_.until_deadline_us(now));
}

// -- backend ----------------------------------------------------------------------------------------------------------

core::result<std::unique_ptr<backend>> backend::create(backend_options options, exporter& exports) {
  const only_address scope(options.listen_host);
  auto by = worker::create();
  if (!by) return core::fail(by.error());
  auto made = std::make_unique<engine>(std::move(options), exports, std::move(*by));
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
bool backend::cma_allowed() const {
  return engine_->cma_allowed();
}

} // namespace fastptm::transport::ucx
