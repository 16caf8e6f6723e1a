// Escaping and joining.
#include "core/json_writer.hpp"

#include <cmath>

#include <fmt/format.h>

namespace fastptm::core {

namespace {

// Length of the well-formed UTF-8 sequence at the front; 0 if it is not one. Table 3-7 of the Unicode standard.
size_t sequence_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t length = lead < 0x80                   ? 1
                        : lead >= 0xc2 && lead < 0xe0 ? 2
                        : lead >= 0xe0 && lead < 0xf0 ? 3
                        : lead >= 0xf0 && lead < 0xf5 ? 4
                                                      : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
  }
  if (length < 3) return length;
  // No second way to write a short one, no surrogates, nothing beyond the last code point.
  const auto second = static_cast<unsigned char>(text[1]);
  const unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most ? length : 0;
}

// Of a zero the sign would be lost: "-0" reads back as an integer.
template <class Real> std::string number_text(Real value) {
  if (!std::isfinite(value)) return "null";
  return value == 0 && std::signbit(value) ? "-0.0" : fmt::format("{}", value);
}

} // namespace

std::string json_text(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto length = sequence_length(text);
    const char c = text[0];
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + '"';
}

std::string json_number(double value) {
  return number_text(value);
}

std::string json_number(float value) {
  return number_text(value);
}

std::string json_floats(const std::vector<float>& values) {
  fmt::memory_buffer out;
  out.push_back('[');
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out.push_back(',');
    out.append(json_number(values[i]));
  }
  out.push_back(']');
  return fmt::to_string(out);
}

json_writer& json_writer::raw(std::string_view key, std::string_view value) {
  members_ += members_.empty() ? '{' : ',';
  members_ += json_text(key);
  members_ += ':';
  members_ += value;
  return *this;
}

json_list& json_list::add(std::string_view value) {
  elements_ += elements_.empty() ? '[' : ',';
  elements_ += value;
  return *this;
}

} // namespace fastptm::core
