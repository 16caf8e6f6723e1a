// Asks, and holds what comes of it against what must be so.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "protocol/payload.hpp"
#include "sim/world/cluster.hpp"

namespace fastptm::sim::world {

namespace {

using core::duration_us;
using core::time_us;

// An answer at the latest: its deadline and the tenant's patience, however long the head stood still besides.
constexpr duration_us answer_patience_us = deadline_us + 1'500'000;
// Within which memory that changed by itself is found: a round, and the time it takes.
constexpr duration_us scrub_bound_us = 11 * second_us;
// When everything is asked for once more: so long before the end.
constexpr duration_us last_questions_us = 8 * second_us;
constexpr uint32_t all_loads = 100'000;

// The cluster itself wanted it no more.
bool was_called_off(const std::string& error) {
  constexpr const char* reasons[] = {"no longer wanted", "was evicted", "joined again", "is stopping", "was abandoned"};
  return std::ranges::any_of(reasons, [&](const char* one) { return error.find(one) != std::string::npos; });
}

} // namespace

void cluster::violated(const std::string& what) {
  result_.violations.push_back(
      fmt::format("{:.3f} s: {}", static_cast<double>(virtual_.now_us() - start_us_) / 1e6, what));
}

// -- asking -----------------------------------------------------------------------------------------------------------

void cluster::plan_requests() {
  const auto within_us = what_.asked_within_us > 0 ? what_.asked_within_us : what_.duration_us;
  for (uint32_t i = 0; i < what_.requests; ++i) {
    const auto when = 100'000 + static_cast<time_us>(random_.below(static_cast<uint64_t>(within_us)));
    auto rank = random_.below(asked_models_.size());
    if (!what_.asks_evenly) rank = std::min(rank, random_.below(asked_models_.size()));
    at(when, [this, rank] { ask(*asked_models_[rank]); });
  }
  // When all is well again, everything must be.
  at(what_.duration_us + calm_us - last_questions_us, [this] {
    for (size_t i = 0; i < asked_models_.size(); ++i)
      after(static_cast<duration_us>(i) * 100'000, [this, i] { ask(*asked_models_[i]); });
  });
}

void cluster::ask(const shelved_model& model) {
  requests_.push_back({&model, virtual_.now_us(), 0});
  if (head() != nullptr) return caf::anon_send(client_, uint64_t{requests_.size() - 1});
  requests_.back().answers = 1; // nobody listens
  ++result_.refused;
}

void cluster::send_request(caf::event_based_actor* self, uint64_t number) {
  const auto* node = head();
  if (node == nullptr) return;
  static const auto input = protocol::encode_input(std::array{1, 2, 3}, {});
  self->request(node->actors.head->tenants[0].second, caf::infinite,
                protocol::infer_request{requests_[number].model->name, protocol::task_kind::embed, input, deadline_us})
      .then([this, number](const protocol::infer_reply& reply) { on_answer(number, reply); },
            [this, number, incarnation = node->incarnation](const caf::error&) {
              const auto* now = head(); // with its process, requests end
              if (now != nullptr && now->incarnation == incarnation)
                violated(fmt::format("request {} got an error", number));
            });
}

void cluster::on_answer(size_t request, const protocol::infer_reply& reply) {
  auto& of = requests_[request];
  const auto now = virtual_.now_us();
  if (++of.answers > 1) violated(fmt::format("request {} was answered twice", request));
  if (now > of.at_us + answer_patience_us + head_stood_still_us_)
    violated(fmt::format("request {} for {} waited {} ms", request, of.model->name, (now - of.at_us) / 1000));
  const bool is_calm = of.at_us > start_us_ + what_.duration_us + calm_us - last_questions_us - second_us;
  if (reply.end != protocol::status::ok && reply.end != protocol::status::late) {
    ++result_.refused;
    if (is_calm) violated(fmt::format("request {} for {} when all was well: {}", request, of.model->name, reply.error));
    return;
  }
  ++result_.answers;
  if (protocol::decode_output(reply.output) == of.model->answer) return;
  const auto flipped = flipped_us_.find(reply.spent.node);
  if (flipped != flipped_us_.end() && now <= flipped->second + scrub_bound_us)
    ++result_.wrong_within_bound;
  else
    violated(fmt::format("request {} for {} got a wrong answer from {}", request, of.model->name, reply.spent.node));
}

// -- judging ----------------------------------------------------------------------------------------------------------

// What the head that is there knows of loads; it forgets with its end.
void cluster::read_ledger() {
  settle();
  virtual_.system().spawn([this, ledger = head()->actors.head->ledger](caf::event_based_actor* self) {
    self->request(ledger, caf::infinite, protocol::loads_atom_v, all_loads, std::string())
        .then([this](const protocol::load_list& listed) {
          for (const auto& load : listed.rows) judge(load);
        });
  });
  settle();
}

// The store has everything, and one good way to it is enough: a load fails for what happens to its own node, to the
// store or to what it loads, and for nothing else.
void cluster::judge(const protocol::load_report& load) {
  if (load.ok()) return void(++result_.loads);
  ++result_.failed_loads;
  const auto node = load.device.substr(0, load.device.find('/'));
  const auto model = load.model.substr(load.model.find('/') + 1, load.model.find('@') - load.model.find('/') - 1);
  const auto is_excused = [&](const std::string& where) {
    return load_troubles_.were(where, load.ordered_us, load.ordered_us + load.wall_us);
  };
  if (was_called_off(load.error) || is_excused(node) || is_excused("head") || is_excused(model)) return;
  result_.violations.push_back(
      fmt::format("{:.3f} s: load {} of {} on {} failed after {} ms, and nothing was wrong with it or the store: {}",
                  static_cast<double>(load.ordered_us - start_us_) / 1e6, load.id.value, load.model, load.device,
                  load.wall_us / 1000, load.error));
}

void cluster::look_at_the_end() {
  if (head() == nullptr) return violated("there is no head when all is well");
  read_ledger();
  virtual_.system().spawn([this, ledger = head()->actors.head->ledger](caf::event_based_actor* self) {
    self->request(ledger, caf::infinite, protocol::nodes_atom_v).then([this](const protocol::node_list& listed) {
      for (const auto& node : listed.rows) {
        if (node.state != protocol::node_state::ready) violated(node.name + " is not ready when all is well");
        for (const auto& device : node.devices) result_.repaired += device.repaired_shards;
      }
    });
  });
  settle();
  for (size_t i = 0; i < requests_.size(); ++i)
    if (requests_[i].answers == 0)
      violated(fmt::format("request {} for {} got no answer", i, requests_[i].model->name));
}

void cluster::stop() {
  if (head() != nullptr) caf::anon_send<caf::message_priority::high>(head()->actors.supervisor, protocol::stop_atom_v);
  for (const auto& [name, node] : nodes_)
    if (name != "head") caf::anon_send<caf::message_priority::high>(node->actors.supervisor, protocol::stop_atom_v);
  caf::anon_send_exit(client_, caf::exit_reason::kill);
  run_until(virtual_.now_us() + 5 * second_us);
  for (const auto& [name, node] : nodes_) {
    network_.remove_node(name);
    node->actors = {};
  }
  client_ = nullptr;
}

outcome run(const scenario& what, uint64_t seed, shelf& models, const std::vector<size_t>& without) {
  cluster all(what, seed, dynamic_cast<model_shelf&>(models), without);
  return all.run();
}

} // namespace fastptm::sim::world
