// One tenant at full speed, another with 20 requests a second beside it: what the second one and the head notice.
//
//   build/release/tools/abuse NAME --state DIR [--abuser acme] [--victim globex] [--seconds 10]
//
// NAME is one of `switches`, `models`, `ping`, `uploads`, `texts`, `kept`, `requests`. Each tenant needs one model. It
// prints latencies of the victim before, during and after, the head's memory, and how many nodes were lost.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <list>
#include <thread>

#include <CLI/CLI.hpp>
#include <capnp/rpc-twoparty.h>
#include <fmt/format.h>
#include <kj/async-io.h>

#include "clients/cpp/client.hpp"
#include "core/clock.hpp"
#include "node/node_record.hpp"
#include "node/state_folder.hpp"
#include "schemas/serving.capnp.h"
#include "tests/support/deaf_stream.hpp"

using namespace fastptm;

namespace {

constexpr core::duration_us second_us = 1'000'000;

struct settings {
  std::string abuse, state, abuser = "acme", victim = "globex";
  uint32_t seconds = 10;
};

// -- who abuses -------------------------------------------------------------------------------------------------------

struct session {
  kj::Own<tests::deaf_stream> stream;
  kj::Own<capnp::TwoPartyClient> rpc;
  schema::Tenant::Client tenant = nullptr;
};

class abuser : private kj::TaskSet::ErrorHandler {
public:
  abuser(const std::string& address, const std::string& token, std::string model)
      : address_(address), token_(token), model_(std::move(model)) {}

  void run(const std::string& what, core::time_us until_us) {
    if (what == "switches")
      flood(4, 2'000, false, until_us, [](session& by) {
        auto request = by.tenant.loadsRequest();
        request.setLast(UINT32_MAX);
        return request.send().ignoreResult();
      });
    if (what == "models")
      flood(4, 4'000, true, until_us, [](session& by) { return by.tenant.modelsRequest().send().ignoreResult(); });
    if (what == "ping")
      flood(4, 8'000, true, until_us, [](session& by) { return by.tenant.pingRequest().send().ignoreResult(); });
    if (what == "texts") flood(16, 120, true, until_us, [this](session& by) { return ask_text(by); });
    if (what == "requests") flood(4, 1'024, true, until_us, [this](session& by) { return ask_ids(by); });
    if (what == "kept") keep_models(until_us);
    if (what == "uploads") hold_uploads(until_us);
  }
  void hang_up() {
    for (auto& each : sessions_) each.stream->hang_up();
  }
  uint64_t calls() const { return calls_; }

private:
  session& connect() {
    auto& made = sessions_.emplace_back();
    auto address = io_.provider->getNetwork().parseAddress(address_.c_str()).wait(io_.waitScope);
    made.stream = kj::heap<tests::deaf_stream>(address->connect().wait(io_.waitScope));
    made.rpc = kj::heap<capnp::TwoPartyClient>(*made.stream);
    auto login = made.rpc->bootstrap().castAs<schema::Gateway>().loginRequest();
    login.setToken(token_.c_str());
    made.tenant = login.send().wait(io_.waitScope).getTenant();
    return made;
  }

  // So many calls in flight on each connection, all the time; or sent once by who never reads.
  template <class Ask> void flood(size_t connections, size_t in_flight, bool reads, core::time_us until_us, Ask ask) {
    for (size_t i = 0; i < connections; ++i) {
      auto& by = connect();
      if (!reads) by.stream->stop_reading();
      for (size_t k = 0; k < in_flight; ++k) again(by, ask, until_us);
    }
    wait_until(until_us);
  }
  template <class Ask> void again(session& by, Ask ask, core::time_us until_us) {
    ++calls_;
    tasks_.add(ask(by).catch_([](kj::Exception&&) {}).then([this, &by, ask, until_us] {
      if (core::monotonic_now_us() < until_us) again(by, ask, until_us);
    }));
  }
  kj::Promise<void> ask_text(session& by) {
    auto find = by.tenant.modelRequest();
    find.setFullName(model_.c_str());
    auto request = find.send().getModel().askRequest();
    request.initTask().setEmbed();
    request.getRequest().getInput().setText(long_text_.c_str());
    request.getRequest().setDeadlineUs(1'000);
    return request.send().ignoreResult();
  }
  kj::Promise<void> ask_ids(session& by) {
    auto find = by.tenant.modelRequest();
    find.setFullName(model_.c_str());
    auto request = find.send().getModel().askRequest();
    request.initTask().setEmbed();
    auto ids = request.getRequest().getInput().initTokens().initIds(200);
    for (unsigned i = 0; i < ids.size(); ++i) ids.set(i, static_cast<int32_t>(10 + i));
    request.getRequest().setDeadlineUs(uint64_t{1} << 63);
    return request.send().ignoreResult();
  }
  void keep_models(core::time_us until_us) {
    auto& by = connect();
    while (core::monotonic_now_us() < until_us && calls_ < 100'000) {
      std::vector<capnp::RemotePromise<schema::Tenant::ModelResults>> asked;
      for (int i = 0; i < 500; ++i, ++calls_) {
        auto request = by.tenant.modelRequest();
        request.setFullName(model_.c_str());
        asked.push_back(request.send());
      }
      for (auto& each : asked) {
        auto got = kj::heap<capnp::Response<schema::Tenant::ModelResults>>(each.wait(io_.waitScope));
        kept_.push_back(kj::mv(got));
      }
    }
    wait_until(until_us);
  }
  void hold_uploads(core::time_us until_us) {
    auto& by = connect();
    for (int i = 0; i < 8; ++i, ++calls_) {
      auto request = by.tenant.publishRequest();
      request.setModelName("held");
      uploads_.push_back(request.send().wait(io_.waitScope).getUpload());
    }
    wait_until(until_us);
  }
  void wait_until(core::time_us when) {
    const auto pause_us = std::max<core::duration_us>(0, when - core::monotonic_now_us());
    io_.provider->getTimer().afterDelay(pause_us * kj::MICROSECONDS).wait(io_.waitScope);
  }
  void taskFailed(kj::Exception&&) override {}

  const std::string address_, token_, model_;
  const std::string long_text_ = [] {
    std::string text;
    while (text.size() < 63'000) text += "many words of one long text ";
    return text;
  }();
  std::atomic<uint64_t> calls_ = 0;
  kj::AsyncIoContext io_ = kj::setupAsyncIo();
  std::list<session> sessions_;
  std::vector<kj::Own<capnp::Response<schema::Tenant::ModelResults>>> kept_;
  std::vector<schema::Upload::Client> uploads_;
  kj::TaskSet tasks_{*this};
};

// -- who is abused ----------------------------------------------------------------------------------------------------

struct seen {
  std::vector<core::duration_us> latencies_us, queue_us, run_us; // the last two as the cluster accounts for them
  size_t refused = 0;
  std::string first_error;
};

core::duration_us at(double part, std::vector<core::duration_us> of) {
  if (of.empty()) return 0;
  std::sort(of.begin(), of.end());
  return of[std::min(of.size() - 1, static_cast<size_t>(part * static_cast<double>(of.size())))];
}

// 20 requests a second by the clock, whether answered or not.
seen ask_steadily(clients::tenant_client& client, const std::string& model, bool as_text, core::duration_us for_us) {
  seen out;
  clients::input what;
  if (as_text)
    what.text = "a short text to embed", what.is_text = true;
  else
    what.ids = {11, 12, 13, 14}; // in every vocabulary
  const auto began_us = core::monotonic_now_us();
  for (auto next_us = began_us; next_us < began_us + for_us; next_us += second_us / 20) {
    client.run_until(next_us);
    client.infer(model, core::task_kind::embed, what, 20 * second_us, [&out, next_us](const clients::answer& got) {
      if (got.answered()) {
        out.latencies_us.push_back(core::monotonic_now_us() - next_us);
        out.queue_us.push_back(static_cast<core::duration_us>(got.queue_us));
        out.run_us.push_back(static_cast<core::duration_us>(got.run_us));
      } else if (out.refused++ == 0)
        out.first_error = got.status + ": " + got.error;
    });
  }
  while (client.pending() > 0) client.run_until_answer(core::monotonic_now_us() + 30 * second_us);
  return out;
}

void print(std::string_view when, const seen& got) {
  const auto pair = [](const std::vector<core::duration_us>& of) {
    return fmt::format("p50 {:>6.1f} p99 {:>6.1f} ms", static_cast<double>(at(0.5, of)) / 1e3,
                       static_cast<double>(at(0.99, of)) / 1e3);
  };
  fmt::print("{:<8} n {:>4}  {}  (queue {}, run {})  not answered {}{}\n", when, got.latencies_us.size(),
             pair(got.latencies_us), pair(got.queue_us), pair(got.run_us), got.refused,
             got.refused > 0 ? " (" + got.first_error + ")" : "");
}

// -- the head ---------------------------------------------------------------------------------------------------------

uint64_t anonymous_mib(int64_t pid) {
  std::ifstream in(fmt::format("/proc/{}/status", pid));
  std::string word;
  uint64_t kib = 0;
  while (in >> word)
    if (word == "RssAnon:") in >> kib;
  return kib >> 10;
}

size_t lost_nodes(const std::filesystem::path& log) {
  std::ifstream in(log);
  size_t count = 0;
  for (std::string line; std::getline(in, line);) count += line.find("node-lost") != line.npos;
  return count;
}

int run(const settings& chosen) {
  const auto folder = node::state_folder::open(chosen.state);
  if (!folder) return fmt::print(stderr, "{}\n", folder.error().message), 2;
  const auto head = node::find_head(folder->run());
  const auto bad = folder->tenant_token(chosen.abuser), good = folder->tenant_token(chosen.victim);
  if (!head || !bad || !good) return fmt::print(stderr, "no cluster with these tenants runs there\n"), 2;
  const auto log = folder->log_file(head->name);
  auto client = clients::tenant_client::connect({.address = head->gateway, .token = *good, .loop = nullptr});
  if (!client) return fmt::print(stderr, "{}\n", client.error().message), 1;
  const auto own = (*client)->models();
  if (!own || own->empty()) return fmt::print(stderr, "{} has no model\n", chosen.victim), 2;
  const bool as_text = chosen.abuse == "texts";
  const auto model = own->front().name, of_abuser = chosen.abuser + "/" + model.substr(model.find('/') + 1);
  const auto for_us = chosen.seconds * second_us;
  ask_steadily(**client, model, as_text, second_us);
  const auto lost_before = lost_nodes(log), mib_before = anonymous_mib(head->pid);
  print("before", ask_steadily(**client, model, as_text, for_us));

  std::atomic<bool> is_over = false;
  std::atomic<uint64_t> most_mib = 0;
  std::thread watcher([&] {
    while (!is_over) {
      most_mib = std::max(most_mib.load(), anonymous_mib(head->pid));
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  });
  uint64_t calls = 0;
  std::thread other([&] {
    // Never destroyed: KJ ends a chain of unsent messages by recursion, and a stack holds some ten thousand.
    auto& by = *new abuser(head->gateway, *bad, of_abuser);
    const auto trouble = kj::runCatchingExceptions([&] { by.run(chosen.abuse, core::monotonic_now_us() + for_us); });
    KJ_IF_MAYBE (exception, trouble) {
      fmt::print("the abuser was cut off: {}\n", exception->getDescription().cStr());
    }
    by.hang_up();
    calls = by.calls();
  });
  print("during", ask_steadily(**client, model, as_text, for_us));
  if (chosen.abuse == "uploads") {
    const auto source = std::filesystem::temp_directory_path() / "abuse-upload";
    std::ofstream(source) << "x";
    const auto done = (*client)->publish("probe", {{source, "config.json", 1}}, {});
    fmt::print("the victim's upload: {}\n", done ? "published" : done.error().message);
  }
  other.join();
  ask_steadily(**client, model, as_text, 5 * second_us);
  print("5 s on", ask_steadily(**client, model, as_text, for_us));
  is_over = true;
  watcher.join();
  fmt::print("{}: {} calls; head {} -> {} -> {} MiB; nodes lost {}\n", chosen.abuse, calls, mib_before, most_mib.load(),
             anonymous_mib(head->pid), lost_nodes(log) - lost_before);
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  settings chosen;
  CLI::App app("One tenant at full speed, and another beside it.");
  app.add_option("abuse", chosen.abuse)
      ->required()
      ->check(CLI::IsMember({"switches", "models", "ping", "uploads", "texts", "kept", "requests"}));
  app.add_option("--state", chosen.state, "State folder of the cluster")->required();
  app.add_option("--abuser", chosen.abuser)->capture_default_str();
  app.add_option("--victim", chosen.victim)->capture_default_str();
  app.add_option("--seconds", chosen.seconds, "Of each part")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return run(chosen);
}
