// Walks a described struct and a schema side by side, and says where they differ.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "schemas/by_name.hpp"

namespace fastptm::tests {

class field_walk {
public:
  template <core::described T> void compare(capnp::StructSchema schema, const std::string& path) {
    std::vector<std::string> ours;
    core::for_each_field_of<T>([&](const auto& each) {
      using value = typename std::decay_t<decltype(each)>::type;
      ours.push_back(schema::camel_case(each.name));
      KJ_IF_MAYBE (field, schema.findFieldByName(ours.back().c_str())) {
        expect<value>(field->getType(), path + "." + std::string(each.name));
      } else {
        differences.push_back(path + "." + std::string(each.name) + ": not in the schema");
      }
    });
    for (const auto field : schema.getFields()) {
      const std::string name = field.getProto().getName().cStr();
      if (std::find(ours.begin(), ours.end(), name) == ours.end())
        differences.push_back(path + "." + name + ": only in the schema");
    }
  }

  template <core::named T> void compare_names(capnp::EnumSchema schema, const std::string& path) {
    const auto names = names_of(std::type_identity<T>{});
    const auto theirs = schema.getEnumerants();
    bool same = names.size() == theirs.size();
    for (unsigned i = 0; same && i < theirs.size(); ++i)
      same = schema::camel_case(names[i]) == theirs[i].getProto().getName().cStr() && theirs[i].getOrdinal() == i;
    if (!same) differences.push_back(path + ": other names, or in another order");
  }

  std::vector<std::string> differences;

private:
  template <class T> void expect(capnp::Type type, const std::string& path) {
    if constexpr (schema::is_strong_id<T>::value) {
      expect<decltype(T::value)>(type, path);
    } else if constexpr (schema::is_list<T>::value) {
      if (type.isList()) return expect<typename T::value_type>(type.asList().getElementType(), path + "[]");
      differences.push_back(path + ": no list in the schema");
    } else if constexpr (core::described<T>) {
      if (type.isStruct()) return compare<T>(type.asStruct(), path);
      differences.push_back(path + ": no struct in the schema");
    } else if constexpr (core::named<T>) {
      if (type.isEnum()) return compare_names<T>(type.asEnum(), path);
      differences.push_back(path + ": no enumeration in the schema");
    } else if (type != capnp::Type::from<typename wire<T>::type>()) {
      differences.push_back(path + ": of another type in the schema");
    }
  }

  template <class T> struct wire { using type = T; };
  template <class T>
  requires std::is_same_v<T, std::string>
  struct wire<T> {
    using type = capnp::Text;
  };
};

} // namespace fastptm::tests
