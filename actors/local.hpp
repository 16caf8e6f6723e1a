// A value that travels between actors of one process only, shared and never serialised.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <caf/all.hpp>

namespace fastptm::actors {

template <class T> struct local { std::shared_ptr<T> value; };

template <class T> local<std::decay_t<T>> make_local(T&& value) {
  return {std::make_shared<std::decay_t<T>>(std::forward<T>(value))};
}

} // namespace fastptm::actors

// Without a type id CAF refuses to send it to another node instead of delivering a default value.
template <class T> struct caf::allowed_unsafe_message_type<fastptm::actors::local<T>> : std::true_type {};
