// How a struct lists its fields, each named once.
//
// Whatever walks a struct goes by that list: messages, JSON, configuration, documentation.
#pragma once

#include <array>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace fastptm::core {

template <class Struct, class T> struct field {
  using type = T;
  constexpr field(std::string_view called, T Struct::*at) : name(called), member(at) {}

  std::string_view name;
  T Struct::*member;
};

// Structs with FASTPTM_FIELDS behind them.
template <class T>
concept described = requires {
  fields_of(std::type_identity<T>{});
};

// Enumerations with FASTPTM_NAMES behind them.
template <class T>
concept named = std::is_enum_v<T> && requires(T value) {
  names_of(std::type_identity<T>{});
};

// In the order of their list; `visit` gets the field's name and its value, which may be written to.
template <class T, class Visit>
requires described<std::remove_const_t<T>>
constexpr void for_each_field(T& of, Visit&& visit) {
  std::apply([&](const auto&... each) { (visit(each.name, of.*each.member), ...); },
             fields_of(std::type_identity<std::remove_const_t<T>>{}));
}

// The same without a value: `visit` gets each core::field.
template <described T, class Visit> constexpr void for_each_field_of(Visit&& visit) {
  std::apply([&](const auto&... each) { (visit(each), ...); }, fields_of(std::type_identity<T>{}));
}

} // namespace fastptm::core

// macro(Given, x) for every x, at most 39 of them. The recursion is David Mazieres' __VA_OPT__ idiom.
#define FASTPTM_EACH(macro, Given, ...) __VA_OPT__(FASTPTM_RESCAN(FASTPTM_EACH_STEP(macro, Given, __VA_ARGS__)))
#define FASTPTM_EACH_STEP(macro, Given, x, ...)                                                                        \
  macro(Given, x) __VA_OPT__(FASTPTM_EACH_AGAIN FASTPTM_PARENTHESES(macro, Given, __VA_ARGS__))
#define FASTPTM_EACH_AGAIN() FASTPTM_EACH_STEP
#define FASTPTM_PARENTHESES ()
#define FASTPTM_RESCAN(...) FASTPTM_RESCAN_2(FASTPTM_RESCAN_2(FASTPTM_RESCAN_2(__VA_ARGS__)))
#define FASTPTM_RESCAN_2(...) FASTPTM_RESCAN_1(FASTPTM_RESCAN_1(FASTPTM_RESCAN_1(__VA_ARGS__)))
#define FASTPTM_RESCAN_1(...) FASTPTM_RESCAN_0(FASTPTM_RESCAN_0(FASTPTM_RESCAN_0(__VA_ARGS__)))
#define FASTPTM_RESCAN_0(...) __VA_ARGS__

#define FASTPTM_FIELD(Struct, name) ::fastptm::core::field{#name, &Struct::name},
#define FASTPTM_OWN_FIELDS(Struct, ...)                                                                                \
  std::tuple {                                                                                                         \
    FASTPTM_EACH(FASTPTM_FIELD, Struct, __VA_ARGS__)                                                                   \
  }

// Behind a struct, in its namespace: FASTPTM_FIELDS(lane_row, model, requests, remaining_us)
#define FASTPTM_FIELDS(Struct, ...)                                                                                    \
  constexpr auto fields_of(std::type_identity<Struct>) {                                                               \
    return FASTPTM_OWN_FIELDS(Struct, __VA_ARGS__);                                                                    \
  }                                                                                                                    \
  constexpr const char* name_of(std::type_identity<Struct>) {                                                          \
    return #Struct;                                                                                                    \
  }

// Of a struct that adds fields to a described base.
#define FASTPTM_MORE_FIELDS(Struct, Base, ...)                                                                         \
  constexpr auto fields_of(std::type_identity<Struct>) {                                                               \
    return std::tuple_cat(fields_of(std::type_identity<Base>{}), FASTPTM_OWN_FIELDS(Struct, __VA_ARGS__));             \
  }                                                                                                                    \
  constexpr const char* name_of(std::type_identity<Struct>) {                                                          \
    return #Struct;                                                                                                    \
  }

// Behind an enumeration whose values count from 0: its names, in order. One that is forgotten does not compile.
#define FASTPTM_CASE(Enum, name)                                                                                       \
  case Enum::name:                                                                                                     \
    return #name;
#define FASTPTM_NAME(Enum, name) std::string_view(#name),
#define FASTPTM_NAMES(Enum, ...)                                                                                       \
  constexpr auto names_of(std::type_identity<Enum>) {                                                                  \
    return std::array{FASTPTM_EACH(FASTPTM_NAME, Enum, __VA_ARGS__)};                                                  \
  }                                                                                                                    \
  constexpr std::string_view to_string(Enum of) noexcept {                                                             \
    switch (of) { FASTPTM_EACH(FASTPTM_CASE, Enum, __VA_ARGS__) }                                                      \
    return "unknown";                                                                                                  \
  }
