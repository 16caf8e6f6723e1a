// A family's numbers as a text that is the same for equal ones: what manifests carry and skeletons are found by.
//
// One line `name=value` for each field, in the order in which the configuration lists them. A field that has its
// default is left out, so that a family can learn a new field without giving its published models new names.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace fastptm::models {

class canonical_writer {
public:
  void operator()(std::string_view name, uint32_t value, uint32_t by_default);
  // By its bits: no formatting can merge two values.
  void operator()(std::string_view name, double value, double by_default);
  template <class Enum>
  requires std::is_enum_v<Enum>
  void operator()(std::string_view name, Enum value, Enum by_default) {
    (*this)(name, static_cast<uint32_t>(value), static_cast<uint32_t>(by_default));
  }

  std::string text;
};

// Reads what the writer writes. Fields that a text does not hold keep their values.
class canonical_reader {
public:
  explicit canonical_reader(std::string_view text) : left_(text) {}

  void operator()(std::string_view name, uint32_t& value, uint32_t by_default);
  void operator()(std::string_view name, double& value, double by_default);
  template <class Enum>
  requires std::is_enum_v<Enum>
  void operator()(std::string_view name, Enum& value, Enum by_default) {
    auto number = static_cast<uint32_t>(value);
    (*this)(name, number, static_cast<uint32_t>(by_default));
    value = static_cast<Enum>(number);
  }

  // Whether every line was that of a field, in order.
  bool is_at_end() const { return left_.empty(); }

private:
  // The value of the next line, when it is the field's; empty otherwise.
  std::string_view take(std::string_view name);

  std::string_view left_;
};

// Configuration lists its fields in `template <class V, class C> static void visit(V& to, C& of)`, calling
// to(name, field, default).
template <class Configuration> std::string to_canonical(const Configuration& from) {
  canonical_writer writer;
  Configuration::visit(writer, from);
  return std::move(writer.text);
}

// errc::corrupt unless the text is exactly what to_canonical gives for the result. Values are not checked.
template <class Configuration> core::result<Configuration> from_canonical(std::string_view text) {
  Configuration made;
  canonical_reader reader(text);
  Configuration::visit(reader, made);
  if (reader.is_at_end() && to_canonical(made) == text) return made;
  return core::fail(core::errc::corrupt, "the configuration is no canonical text of its family");
}

} // namespace fastptm::models
