// The schema parser, with the schema's own text compiled in and every error collected instead of thrown.
#include "node/config/config_text.hpp"

#include <capnp/dynamic.h>
#include <capnp/schema-parser.h>
#include <fmt/format.h>
#include <kj/exception.h>

#include "node/config/schema_text.hpp"

namespace fastptm::node {

namespace {

constexpr size_t max_faults = 20; // one mistake can cause many messages; nobody reads more

// A file that only exists in memory; the faults of the configuration itself go to `faults`.
class memory_file final : public capnp::SchemaFile {
public:
  memory_file(std::string name, std::string_view text, std::vector<text_fault>& faults)
      : name_(std::move(name)), text_(text), faults_(faults) {}

  kj::StringPtr getDisplayName() const override { return name_.c_str(); }

  kj::Array<const char> readContent() const override { return kj::heapArray<char>(text_.data(), text_.size()); }

  kj::Maybe<kj::Own<capnp::SchemaFile>> import(kj::StringPtr path) const override {
    if (path == "/schemas/config.capnp") return make("/schemas/config.capnp", config_schema_text);
    if (path == "/capnp/c++.capnp") return make("/capnp/c++.capnp", cxx_annotations_text);
    return nullptr;
  }

  bool operator==(const SchemaFile& other) const override { return name_ == other.getDisplayName().cStr(); }
  bool operator!=(const SchemaFile& other) const override { return !(*this == other); }
  size_t hashCode() const override { return std::hash<std::string>{}(name_); }

  void reportError(SourcePos start, SourcePos, kj::StringPtr message) const override {
    if (faults_.size() < max_faults) faults_.push_back({start.line + 1, message.cStr()});
  }

private:
  kj::Own<capnp::SchemaFile> make(std::string name, std::string_view text) const {
    return kj::heap<memory_file>(std::move(name), text, faults_);
  }

  const std::string name_;
  const std::string_view text_;
  std::vector<text_fault>& faults_;
};

void copy_cluster(capnp::SchemaParser& parser, kj::Own<capnp::SchemaFile> file, std::vector<text_fault>& faults,
                  capnp::MallocMessageBuilder& target) {
  parser.loadCompiledTypeAndDependencies<schema::Cluster>();
  const auto parsed = parser.parseFile(kj::mv(file));
  if (!faults.empty()) return;
  KJ_IF_MAYBE (constant, parsed.findNested("cluster")) {
    const auto value = constant->asConst();
    if (!value.getType().isStruct() ||
        value.getType().asStruct().getProto().getId() != capnp::typeId<schema::Cluster>()) {
      faults.push_back({0, "`cluster` is not of type Cluster of /schemas/config.capnp"});
      return;
    }
    target.setRoot(value.as<schema::Cluster>());
  } else {
    faults.push_back({0, "has no constant `cluster`: write `const cluster :Config.Cluster = (...)`"});
  }
}

} // namespace

std::vector<text_fault> read_config_text(std::string_view text, std::string_view display_name,
                                         capnp::MallocMessageBuilder& target) {
  std::vector<text_fault> faults;
  const auto thrown = kj::runCatchingExceptions([&] {
    capnp::SchemaParser parser;
    copy_cluster(parser, kj::heap<memory_file>(std::string(display_name), text, faults), faults, target);
  });
  KJ_IF_MAYBE (exception, thrown) {
    if (faults.empty()) faults.push_back({0, exception->getDescription().cStr()});
  }
  return faults;
}

} // namespace fastptm::node
