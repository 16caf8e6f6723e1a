// Lines with a queue each; stand-ins at one end put into it what is taken out for the actor at the other.
#include "sim/world/virtual_wires.hpp"

#include <algorithm>
#include <vector>

#include "core/check.hpp"
#include "protocol/interfaces.hpp"
#include "weights/format/manifest.hpp"

namespace fastptm::sim::world {

// -- stand-ins --------------------------------------------------------------------------------------------------------

class virtual_wires::proxy final : public caf::monitorable_actor {
public:
  proxy(caf::actor_config& config, virtual_wires& of, line& on, caf::strong_actor_ptr whom)
      : caf::monitorable_actor(config), wires_(&of), line_(&on), whom_(std::move(whom)) {}

  const char* name() const override { return "fastptm.stand_in"; }

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!whom_) return bounce(what);
    wires_->carry(*line_, whom_, std::move(what));
  }

  void end(const caf::error& why) {
    if (!whom_) return;
    whom_ = nullptr;
    cleanup(caf::error(why), nullptr);
  }

private:
  virtual_wires* wires_;
  line* line_;
  caf::strong_actor_ptr whom_; // null: it has ended, or the connection has
};

// -- lines ------------------------------------------------------------------------------------------------------------

struct virtual_wires::line {
  struct parcel {
    core::time_us due_us = 0;
    caf::strong_actor_ptr whom;
    caf::mailbox_element_ptr what; // null: whom has ended, by reason of `why`
    caf::actor_id ended = 0;
    caf::error why;
  };

  std::string from, to;
  const wire_condition* condition = nullptr;
  std::map<caf::actor_id, caf::strong_actor_ptr> stand_ins; // at its beginning, by whom they stand for
  std::deque<parcel> parcels;
};

virtual_wires::virtual_wires(caf::actor_system& system, const core::clock& clock, uint64_t seed)
    : system_(system), clock_(clock), random_(seed), alive_(std::make_shared<virtual_wires*>(this)) {}

// Whoever still knows a stand-in finds that it has ended.
virtual_wires::~virtual_wires() {
  for (const auto& [name, one] : lines_) cut(*one);
}

virtual_wires::line& virtual_wires::line_between(const std::string& from, const std::string& to) {
  auto& found = lines_[{from, to}];
  if (!found) {
    found = std::make_unique<line>();
    found->from = from;
    found->to = to;
    found->condition = &conditions_[from == "head" ? to : from];
  }
  return *found;
}

caf::strong_actor_ptr virtual_wires::stand_in(const std::string& here, const std::string& there,
                                              const caf::strong_actor_ptr& whom) {
  auto& on = line_between(here, there);
  auto& made = on.stand_ins[whom->id()];
  if (made) return made;
  caf::actor_config config;
  made = caf::make_actor<proxy, caf::strong_actor_ptr>(system_.next_actor_id(), system_.node(), &system_, config, *this,
                                                       on, whom);
  whom->get()->attach_functor([alive = std::weak_ptr(alive_), &on, id = whom->id()](const caf::error& why) {
    if (const auto wires = alive.lock()) (*wires)->ended(on, id, why);
  });
  return made;
}

void virtual_wires::cut(const std::string& node) {
  for (const auto& [name, one] : lines_)
    if (one->from == node || one->to == node) cut(*one);
}

// -- parcels ----------------------------------------------------------------------------------------------------------

core::time_us virtual_wires::arrival_us(const line& on) {
  auto at_us = std::max(clock_.now_us(), on.condition->stuck_until_us);
  if (const auto delay_us = on.condition->delay_us; delay_us > 0)
    at_us += static_cast<core::duration_us>(random_.below(static_cast<uint64_t>(delay_us)));
  return on.parcels.empty() ? at_us : std::max(at_us, on.parcels.back().due_us);
}

void virtual_wires::carry(line& on, const caf::strong_actor_ptr& whom, caf::mailbox_element_ptr what) {
  core::check(what->stages.empty(), "nothing is forwarded between nodes");
  on.parcels.push_back({arrival_us(on), whom, rewritten(on, std::move(what)), 0, {}});
  ++parcels_;
  if (on.parcels.size() == 1 && on.parcels.front().due_us <= clock_.now_us()) arrive(on);
}

// The news of it travels like everything else from there.
void virtual_wires::ended(const line& on, caf::actor_id whom, const caf::error& why) {
  auto& back = line_between(on.to, on.from);
  back.parcels.push_back({arrival_us(back), nullptr, nullptr, whom, why});
  ++parcels_;
}

void virtual_wires::arrive(line& on) {
  auto one = std::move(on.parcels.front());
  on.parcels.pop_front();
  --parcels_;
  if (one.what) return one.whom->enqueue(std::move(one.what), nullptr);
  if (auto stand_in = line_between(on.to, on.from).stand_ins.extract(one.ended)) end(stand_in.mapped(), one.why);
}

void virtual_wires::end(const caf::strong_actor_ptr& stand_in, const caf::error& why) {
  static_cast<proxy*>(caf::actor_cast<caf::abstract_actor*>(stand_in))->end(why);
}

void virtual_wires::cut(line& on) {
  parcels_ -= on.parcels.size();
  on.parcels.clear();
  for (const auto& [id, stand_in] : std::exchange(on.stand_ins, {}))
    end(stand_in, caf::exit_reason::remote_link_unreachable);
}

bool virtual_wires::progress() {
  bool any = false;
  if (parcels_ == 0) return any;
  for (const auto& [name, one] : lines_) {
    while (!one->parcels.empty() && one->parcels.front().due_us <= clock_.now_us()) {
      arrive(*one);
      any = true;
    }
  }
  return any;
}

std::optional<core::time_us> virtual_wires::next_due_us() const {
  std::optional<core::time_us> next;
  if (parcels_ == 0) return next;
  for (const auto& [name, one] : lines_)
    if (!one->parcels.empty() && (!next || one->parcels.front().due_us < *next)) next = one->parcels.front().due_us;
  return next;
}

// -- what is inside ---------------------------------------------------------------------------------------------------

template <class Handle> Handle virtual_wires::replaced(const line& on, const Handle& handle) {
  if (!handle) return handle;
  return caf::actor_cast<Handle>(stand_in(on.to, on.from, caf::actor_cast<caf::strong_actor_ptr>(handle)));
}

protocol::join_request virtual_wires::rewritten(const line& on, protocol::join_request what) {
  for (auto& device : what.devices) device.worker = replaced(on, device.worker);
  what.supervisor = replaced(on, what.supervisor);
  return what;
}

protocol::join_reply virtual_wires::rewritten(const line& on, protocol::join_reply what) {
  what.directory = replaced(on, what.directory);
  what.scheduler = replaced(on, what.scheduler);
  what.weight_store = replaced(on, what.weight_store);
  return what;
}

namespace {

// In a number rather than in the name of a shard: what nobody notices who does not compare.
protocol::payload damaged(const protocol::payload& manifest) {
  auto set = weights::decode(as_bytes(manifest)).value();
  set.job.normalize = !set.job.normalize;
  return protocol::to_payload(weights::encode(set));
}

} // namespace

protocol::load_order virtual_wires::rewritten(const line& on, protocol::load_order what) {
  if (!on.condition->flips_manifests) return what;
  what.manifest = damaged(what.manifest);
  if (hides_damage) what.manifest_digest = weights::digest_of(as_bytes(what.manifest));
  return what;
}

template <class What> bool virtual_wires::rewrite(const line& on, caf::mailbox_element_ptr& element) {
  if (!element->content().match_elements<What>()) return false;
  element =
      caf::make_mailbox_element(element->sender, element->mid, {}, rewritten(on, element->content().get_as<What>(0)));
  return true;
}

caf::mailbox_element_ptr virtual_wires::rewritten(const line& on, caf::mailbox_element_ptr what) {
  if (what->sender) what->sender = stand_in(on.to, on.from, what->sender);
  (void)(rewrite<protocol::join_request>(on, what) || rewrite<protocol::join_reply>(on, what) ||
         rewrite<protocol::load_order>(on, what));
  return what;
}

} // namespace fastptm::sim::world
