// Makes an actor of a plain state class: the shape that CAF 1.x has, on CAF 0.17.
#pragma once

#include <optional>
#include <utility>

#include <caf/all.hpp>

namespace fastptm::actors {

// State is a class with
//   using interface = <the typed actor with its private messages>;
//   static constexpr const char* actor_name;
//   State(interface::pointer self, ...);
//   interface::behavior_type make_behavior();   // a table of contents: one line per message
// It is created with its actor and destroyed when that has ended, whoever still has handles to it: two actors that know
// each other would keep each other for ever. It only ever runs on the actor's thread of the moment.
template <class State> class actor_from_state final : public State::interface::base {
public:
  using super = typename State::interface::base;

  template <class... Args>
  explicit actor_from_state(caf::actor_config& config, Args&&... args)
      : super(config), state_(std::in_place, this, std::forward<Args>(args)...) {}

  const char* name() const override { return State::actor_name; }
  typename super::behavior_type make_behavior() override { return state_->make_behavior(); }
  void on_exit() override { state_.reset(); }

private:
  std::optional<State> state_;
};

} // namespace fastptm::actors
