// Writes the seeds that no editor can: manifests, cards, workloads, conversations.
//
// Usage: fuzz_write_seeds CORPUS_FOLDER
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "core/check.hpp"
#include "engine/tokenizer/card.hpp"
#include "schemas/admin.capnp.h"
#include "schemas/serving.capnp.h"
#include "sim/workload.hpp"
#include "tests/support/weight_sets.hpp"
#include "weights/format/usage.hpp"

namespace fastptm::fuzz {
namespace {

// As the doubles behind the gateway know them: tests/rpc/fake_cluster.hpp.
constexpr const char* tenant_token = "token-of-acme";
constexpr const char* operator_token = "token-of-the-operator";

std::filesystem::path corpus;

void write(const std::string& name, std::string_view bytes) {
  std::filesystem::create_directories((corpus / name).parent_path());
  std::ofstream out(corpus / name, std::ios::binary | std::ios::trunc);
  core::check(!!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush(), "writing a seed");
}

// -- formats ----------------------------------------------------------------------------------------------------------

void write_manifest(const std::string& name, const models::encoder::config& shape) {
  const auto bytes = weights::encode(tests::set_of(shape, 7));
  core::check(weights::decode(bytes).has_value(), "the seed is a manifest");
  write("manifest/" + name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void write_cards() {
  engine::tokenizer_texts texts;
  texts.vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n";
  texts.tokenizer_config = R"({"do_lower_case": true})";
  texts.spelled_out = engine::special_tokens::text;
  const auto packed = *engine::pack_texts(texts);
  write("card/tokenizer", packed);
  weights::usage how;
  how.prompts = {{"query", "query: "}, {"document", ""}};
  how.default_prompt = "query";
  how.labels = {"no", "yes"};
  write("card/both", weights::join_card(how, packed));
}

void write_workload() {
  const auto work = sim::generate({.models = 3, .requests = 20, .rate = 100});
  core::check(sim::write_workload(corpus / "trace" / "workload", *work).has_value(), "writing a workload");
}

// -- conversations ----------------------------------------------------------------------------------------------------

// What a client sends that does not wait for answers: everything rests on promised ones. `port` goes first.
template <class Interface>
void record(const std::string& name, char port, std::function<void(typename Interface::Client)> talk) {
  auto io = kj::setupAsyncIo();
  auto pipe = kj::newTwoWayPipe();
  capnp::TwoPartyVatNetwork network(*pipe.ends[0], capnp::rpc::twoparty::Side::CLIENT);
  auto system = capnp::makeRpcClient(network);
  capnp::MallocMessageBuilder message;
  auto server = message.initRoot<capnp::rpc::twoparty::VatId>();
  server.setSide(capnp::rpc::twoparty::Side::SERVER);
  talk(system.bootstrap(server).template castAs<Interface>());
  std::string said(1, port);
  kj::byte buffer[4096];
  constexpr auto pause = 20 * kj::MILLISECONDS; // it has said everything
  for (;;) {
    auto reading = pipe.ends[1]->tryRead(buffer, 1, sizeof buffer);
    const auto got = io.provider->getTimer()
                         .timeoutAfter(pause, kj::mv(reading))
                         .then([](size_t size) { return size; }, [](kj::Exception&&) { return size_t{0}; })
                         .wait(io.waitScope);
    if (got == 0) break;
    said.append(reinterpret_cast<const char*>(buffer), got);
  }
  write("rpc/" + name, said);
}

schema::Tenant::Client logged_in(schema::Gateway::Client gateway) {
  auto login = gateway.loginRequest();
  login.setToken(tenant_token);
  return login.send().getTenant();
}

// Keeps a call going: a dropped one would be cancelled, which is a message, too.
template <class Request> void ask(Request&& request) {
  request.send().detach([](kj::Exception&&) {});
}

using fill = std::function<void(schema::Model::AskParams::Builder)>;

void record_question(const std::string& name, const fill& filled) {
  record<schema::Gateway>(name, 0, [&](schema::Gateway::Client gateway) {
    auto model = logged_in(gateway).modelRequest();
    model.setFullName("acme/m@1");
    auto question = model.send().getModel().askRequest();
    filled(question);
    ask(question);
  });
}

void record_questions() {
  record_question("ids", [](schema::Model::AskParams::Builder to) {
    const int32_t ids[] = {1, 2, 3};
    to.initTask().setEmbed();
    auto request = to.initRequest();
    request.getInput().initTokens().setIds(kj::arrayPtr(ids, 3));
    request.getInput().getTokens().setTypes(kj::arrayPtr(ids, 3));
    request.setDeadlineUs(1000);
    const kj::byte key[16] = {1};
    request.setKey(kj::arrayPtr(key, sizeof key));
  });
  record_question("text", [](schema::Model::AskParams::Builder to) {
    to.initTask().setEmbed();
    to.initRequest().getInput().setText("a bb c");
    to.getRequest().setPrompt("query");
  });
  record_question("pair", [](schema::Model::AskParams::Builder to) {
    to.initTask().setClassify();
    auto pair = to.initRequest().getInput().initPair();
    pair.setFirst("a");
    pair.setSecond("b");
  });
}

void record_tenant() {
  record<schema::Gateway>("wrong_token", 0, [](schema::Gateway::Client gateway) {
    auto login = gateway.loginRequest();
    login.setToken("wrong");
    ask(login);
    ask(gateway.versionRequest());
  });
  record<schema::Gateway>("upload", 0, [](schema::Gateway::Client gateway) {
    auto publish = logged_in(gateway).publishRequest();
    publish.setModelName("fresh");
    auto upload = publish.send().getUpload();
    auto file = upload.fileRequest();
    file.setPath("model.safetensors");
    file.setSizeBytes(4);
    auto writer = file.send().getWriter();
    auto piece = writer.writeRequest();
    piece.setData(kj::StringPtr("four").asBytes());
    piece.send().detach([](kj::Exception&&) {});
    ask(writer.doneRequest());
    ask(upload.finishRequest());
  });
  record<schema::Gateway>("tenant", 0, [](schema::Gateway::Client gateway) {
    auto tenant = logged_in(gateway);
    ask(tenant.modelsRequest());
    auto loads = tenant.loadsRequest();
    loads.setLast(3);
    ask(loads);
    ask(tenant.pingRequest());
    auto unpublish = tenant.unpublishRequest();
    unpublish.setFullName("acme/m");
    unpublish.setAll(true);
    ask(unpublish);
  });
}

void record_operator() {
  record<schema::AdminGateway>("operator", 1, [](schema::AdminGateway::Client gateway) {
    auto login = gateway.loginRequest();
    login.setToken(operator_token);
    auto admin = login.send().getAdmin();
    ask(admin.statusRequest());
    ask(admin.loadsRequest());
    ask(admin.cordonRequest());
    auto evict = admin.evictRequest();
    evict.setDevice("worker-0/host0");
    ask(evict);
    ask(admin.dropCacheRequest());
    ask(admin.runningLoadsRequest());
    auto explain = admin.explainRequest();
    explain.setFullName("acme/m@1");
    ask(explain);
  });
}

} // namespace
} // namespace fastptm::fuzz

int main(int count, char** arguments) {
  using namespace fastptm;
  core::check(count == 2, "usage: fuzz_write_seeds CORPUS_FOLDER");
  fuzz::corpus = arguments[1];
  fuzz::write_manifest("tiny", tests::tiny_shape);
  fuzz::write_manifest("minilm", tests::minilm_shape);
  fuzz::write_cards();
  std::filesystem::create_directories(fuzz::corpus / "trace");
  fuzz::write_workload();
  fuzz::record_questions();
  fuzz::record_tenant();
  fuzz::record_operator();
  return 0;
}
