// The list of backends under test.
#include "tests/transport/rigs.hpp"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <thread>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/random.hpp"
#include "transport/loopback/network.hpp"
#include "transport/same_host/backend.hpp"
#include "transport/same_host/owner.hpp"
#include "transport/sealed_memory.hpp"
#include "transport/sockets/backend.hpp"
#include "transport/ucx/backend.hpp"
#include "transport/ucx/environment.hpp"

namespace fastptm::transport::test {

namespace {

class rig_base : public rig {
public:
  explicit rig_base(const rig_options& options) : options_(options) {}
  exporter& exports() override { return exports_; }
  exportable make_memory(uint64_t size_bytes) override {
    anonymous_.emplace_back(size_bytes);
    return {{anonymous_.back().data(), size_bytes}, -1};
  }
  void turn() override { std::this_thread::yield(); } // its backend has threads of its own

protected:
  const rig_options options_;
  exporter exports_;
  std::deque<std::vector<std::byte>> anonymous_;
};

class loopback_rig final : public rig_base {
public:
  explicit loopback_rig(const rig_options& options) : rig_base(options), network_(clock_) {
    network_.add_node("source", options.incarnation, exports_);
    asker_ = std::make_unique<loopback::backend>(network_);
  }
  fetcher& asker() override { return *asker_; }
  peer_address address() const override { return {"source", options_.incarnation, "", "", "", 0}; }
  void stop_source() override { network_.faults_of("source").dead = true; }
  void stop_asker() override { asker_->close_peer("source", options_.incarnation); }
  void turn() override { network_.progress(); }

private:
  core::monotonic_clock clock_;
  loopback::network network_;
  std::unique_ptr<loopback::backend> asker_;
};

class same_host_rig final : public rig_base {
public:
  explicit same_host_rig(const rig_options& options) : rig_base(options) {
    name_ = fmt::format("@fastptm-test-{:x}", core::true_random_u64());
    auto made = same_host::owner::create({name_, options.incarnation, options.source_secret, 250'000}, exports_);
    core::check(made.has_value(), "an owner can listen");
    owner_ = std::move(*made);
    same_host::backend_options asking;
    asking.secret = options.asker_secret;
    asking.fetches_in_flight = options.fetches_in_flight;
    asking.copiers = std::make_shared<copy_pool>(2);
    asker_ = std::make_unique<same_host::backend>(asking);
  }
  fetcher& asker() override { return *asker_; }
  peer_address address() const override { return {"source", options_.incarnation, this_boot_id(), name_, "", 0}; }
  exportable make_memory(uint64_t size_bytes) override {
    auto made = sealed_memory::create("test", size_bytes);
    core::check(made.has_value(), "sealed memory can be made");
    sealed_.push_back(std::move(*made));
    return sealed_.back().to_export();
  }
  void stop_source() override { owner_.reset(); }
  void stop_asker() override { asker_.reset(); }

private:
  std::string name_;
  std::deque<sealed_memory> sealed_;
  std::unique_ptr<same_host::owner> owner_;
  std::unique_ptr<same_host::backend> asker_;
};

class ucx_rig final : public rig_base {
public:
  ucx_rig(const rig_options& options, const char* transports, bool reads_memory = false)
      : rig_base(options), copiers_(reads_memory ? std::make_shared<copy_pool>(2) : nullptr) {
    setenv("UCX_TLS", transports, 1);
    ucx::apply_environment({.allow_cma = true, .net_devices = "lo"});
    source_ = make(exports_, options.source_secret);
    asker_ = make(none_, options.asker_secret);
  }
  fetcher& asker() override { return *asker_; }
  peer_address address() const override {
    return {"source", options_.incarnation, this_boot_id(), "", "127.0.0.1", port_};
  }
  void stop_source() override { source_.reset(); }
  void stop_asker() override { asker_.reset(); }

private:
  std::unique_ptr<ucx::backend> make(exporter& exports, const std::string& secret) {
    ucx::backend_options made;
    made.incarnation = options_.incarnation;
    made.secret = secret;
    made.fetches_in_flight = options_.fetches_in_flight;
    made.copiers = copiers_;
    auto backend = ucx::backend::create(made, exports);
    core::check(backend.has_value(), "a ucx backend starts");
    if (!port_) port_ = (*backend)->port();
    return std::move(*backend);
  }

  const std::shared_ptr<copy_pool> copiers_;
  exporter none_;
  uint16_t port_ = 0;
  std::unique_ptr<ucx::backend> source_;
  std::unique_ptr<ucx::backend> asker_;
};

class sockets_rig final : public rig_base {
public:
  sockets_rig(const rig_options& options, bool reads_memory)
      : rig_base(options), copiers_(reads_memory ? std::make_shared<copy_pool>(2) : nullptr) {
    source_ = make("source", exports_, options.source_secret);
    port_ = source_->port();
    asker_ = make("asker", none_, options.asker_secret);
  }
  fetcher& asker() override { return *asker_; }
  peer_address address() const override {
    return {"source", options_.incarnation, this_boot_id(), "", "127.0.0.1", port_};
  }
  void stop_source() override { source_.reset(); }
  void stop_asker() override { asker_.reset(); }

private:
  std::unique_ptr<sockets::backend> make(const std::string& node, exporter& exports, const std::string& secret) {
    sockets::backend_options made;
    made.node = node;
    made.incarnation = options_.incarnation;
    made.secret = secret;
    made.fetches_in_flight = options_.fetches_in_flight;
    made.copiers = copiers_;
    auto backend = sockets::backend::create(made, exports);
    core::check(backend.has_value(), "a backend of sockets starts");
    return std::move(*backend);
  }

  const std::shared_ptr<copy_pool> copiers_;
  exporter none_;
  uint16_t port_ = 0;
  std::unique_ptr<sockets::backend> source_;
  std::unique_ptr<sockets::backend> asker_;
};

} // namespace

const std::vector<backend_under_test>& all_backends() {
  static const std::vector<backend_under_test> all = {
      {"loopback", path::loopback, false, true, [](auto& options) { return std::make_unique<loopback_rig>(options); }},
      {"same_host", path::map, true, false, [](auto& options) { return std::make_unique<same_host_rig>(options); }},
      {"sockets_tcp", path::tcp, true, true,
       [](auto& options) { return std::make_unique<sockets_rig>(options, false); }},
      {"sockets_cma", path::cma, true, true,
       [](auto& options) { return std::make_unique<sockets_rig>(options, true); }},
      {"ucx_cma", path::cma, true, true, [](auto& options) { return std::make_unique<ucx_rig>(options, "tcp,cma"); }},
      {"ucx_cma_by_pool", path::cma, true, true,
       [](auto& options) { return std::make_unique<ucx_rig>(options, "tcp,cma", true); }},
      {"ucx_tcp", path::tcp, true, true, [](auto& options) { return std::make_unique<ucx_rig>(options, "tcp"); }}};
  return all;
}

} // namespace fastptm::transport::test
