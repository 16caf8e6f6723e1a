// Chosen by measurement on CAF 0.17.6.
#include "actors/system_config.hpp"

#include "protocol/interfaces.hpp"

namespace fastptm::actors {

namespace {

// A message type without an id goes through between local actors and is dropped, with a line on stderr, between nodes.
template <class T>
constexpr bool can_travel = std::is_arithmetic_v<T> || std::is_void_v<T> || std::is_same_v<T, std::string> ||
                            std::is_same_v<T, caf::unit_t> || caf::has_type_id<T>::value;
template <caf::atom_value Value> constexpr bool can_travel<caf::atom_constant<Value>> = true;

template <class Signature> struct signature_travels;
template <class... Inputs, class... Outputs>
struct signature_travels<caf::typed_mpi<caf::detail::type_list<Inputs...>, caf::output_tuple<Outputs...>>> {
  static constexpr bool value = (can_travel<Inputs> && ...) && (can_travel<Outputs> && ...);
};

template <class Interface> struct interface_travels;
template <class... Signatures> struct interface_travels<caf::typed_actor<Signatures...>> {
  static constexpr bool value = (signature_travels<Signatures>::value && ...);
};

static_assert(interface_travels<protocol::gpu_worker_actor>::value);
static_assert(interface_travels<protocol::scheduler_actor>::value);
static_assert(interface_travels<protocol::directory_actor>::value);
static_assert(interface_travels<protocol::weight_store_actor>::value);
static_assert(interface_travels<protocol::supervisor_actor>::value);

} // namespace

system_config::system_config(size_t threads) {
  load<caf::io::middleman>();
  add_message_types<caf::id_block::fastptm>();
  // Stealing polls: it burns an idle core and wakes up ten times later.
  set("scheduler.policy", caf::atom("sharing"));
  set("scheduler.max-threads", threads);
  // Only a backstop: liveness is the lease. Without it a peer that hangs in a handshake is never noticed.
  set("middleman.heartbeat-interval", caf::timespan(std::chrono::milliseconds(500)));
  set("middleman.connection-timeout", caf::timespan(std::chrono::seconds(3)));
}

} // namespace fastptm::actors
