// The two spellings of a name.
#include "schemas/by_name.hpp"

namespace fastptm::schema {

std::string camel_case(std::string_view snake_case) {
  std::string out;
  for (size_t i = 0; i < snake_case.size(); ++i) {
    const bool begins_word = i > 0 && snake_case[i - 1] == '_';
    if (snake_case[i] != '_') out += static_cast<char>(begins_word ? snake_case[i] - 'a' + 'A' : snake_case[i]);
  }
  return out;
}

std::string snake_case(std::string_view camel_case) {
  std::string out;
  for (const char c : camel_case) {
    const bool begins_word = c >= 'A' && c <= 'Z';
    if (begins_word) out += '_';
    out += static_cast<char>(begins_word ? c - 'A' + 'a' : c);
  }
  return out;
}

} // namespace fastptm::schema
