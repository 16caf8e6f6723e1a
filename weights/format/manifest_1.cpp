// Frozen: published models have names that depend on every byte of this.
#include "weights/format/manifest_1.hpp"

#include <bit>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

namespace fastptm::weights {

namespace {

constexpr double usual_epsilon = 1e-12;

// Of `name=value` lines; what is not there is `by_default`.
template <class Number> Number number_in(std::string_view text, std::string_view name, Number by_default, int base) {
  for (std::string_view left = text; !left.empty();) {
    const auto line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), line.size() + 1));
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with('=')) continue;
    const auto digits = line.substr(name.size() + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), by_default, base);
  }
  return by_default;
}

} // namespace

models::architecture read_format_1(schema::Architecture::Reader from) {
  models::architecture arch{.family = from.getFamily() == 0 ? "bert" : "",
                            .configuration = {},
                            .dtype = static_cast<models::dtype>(from.getDtype()),
                            .layout_tag = from.getLayoutTag()};
  const auto add = [&](std::string_view name, uint32_t value) {
    if (value != 0) arch.configuration += fmt::format("{}={}\n", name, value);
  };
  add("hidden", from.getHidden());
  add("layers", from.getLayers());
  add("heads", from.getHeads());
  add("intermediate", from.getIntermediate());
  add("vocabulary", from.getVocabulary());
  add("positions", from.getPositions());
  add("token_types", from.getTokenTypes());
  add("activation", from.getActivation());
  if (const double epsilon = from.getLayerNormEps(); epsilon != usual_epsilon)
    arch.configuration += fmt::format("layer_norm_eps={:016x}\n", std::bit_cast<uint64_t>(epsilon));
  return arch;
}

void write_format_1(schema::Architecture::Builder to, const models::architecture& arch) {
  const auto number = [&](std::string_view name) { return number_in<uint32_t>(arch.configuration, name, 0, 10); };
  to.setFamily(arch.family == "bert" ? 0 : 1);
  to.setDtype(static_cast<uint8_t>(arch.dtype));
  to.setActivation(static_cast<uint8_t>(number("activation")));
  to.setLayoutTag(arch.layout_tag);
  to.setHidden(number("hidden"));
  to.setLayers(number("layers"));
  to.setHeads(number("heads"));
  to.setIntermediate(number("intermediate"));
  to.setVocabulary(number("vocabulary"));
  to.setPositions(number("positions"));
  to.setTokenTypes(number("token_types"));
  const auto bits = number_in(arch.configuration, "layer_norm_eps", std::bit_cast<uint64_t>(usual_epsilon), 16);
  to.setLayerNormEps(std::bit_cast<double>(bits));
}

} // namespace fastptm::weights
