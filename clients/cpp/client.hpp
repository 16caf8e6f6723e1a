// A typed client for tools, tests and benchmarks: KJ inside, results outside.
//
// Synchronous calls run the event loop until they are answered. `infer` is asynchronous: callbacks run inside
// `run_until` or any synchronous call. A broken connection is made again by the next call. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/task.hpp"
#include "protocol/reports/explanation.hpp"
#include "protocol/reports/loads.hpp"
#include "protocol/reports/publication.hpp"
#include "protocol/reports/status.hpp"

namespace fastptm::clients {

// A thread's event loop. KJ allows one per thread: two clients of one thread share it.
class event_loop;
std::shared_ptr<event_loop> make_event_loop();

// What a caller sends: ids, a text, or a pair of texts.
struct input {
  std::vector<int32_t> ids;
  std::vector<int32_t> token_types;
  std::string text;
  std::string second; // of a pair
  std::string prompt; // the name of one of the model's; empty: its default
  bool is_text = false;
  bool is_pair = false;
};

struct label_score {
  std::string name;
  float score = 0;
};

// How a request ended, in our types.
struct answer {
  std::string status; // as the command line prints it: "ok", "late", "unavailable", ...
  std::string error;
  uint64_t retry_after_us = 0;
  std::vector<float> output;
  int32_t label = 0;
  std::string label_name;          // empty: the model's labels have no names
  std::vector<label_score> labels; // where several may be true, or the logits are values
  uint32_t tokens = 0;             // that were computed
  bool truncated = false;          // the text had more
  std::string node;                // whose device computed it
  bool loaded = false;
  uint64_t queue_us = 0, switch_us = 0, run_us = 0, total_us = 0;
  // The schedule that really ran: see schemas/serving.capnp.
  std::string device;
  uint64_t batch = 0;
  core::time_us batch_end_us = 0;
  uint32_t tries = 0; // how often it was sent

  bool answered() const { return status == "ok" || status == "late"; }
};

// A piece of an answer, while it is computed.
struct answer_part {
  uint32_t first = 0; // its place in the answer
  std::vector<int32_t> ids;
  std::vector<float> output;
};

// What a special token is that is spelled out in a text: that token, or ordinary text.
enum class special_tokens { library, text };

// What was taken back.
struct withdrawal {
  std::vector<std::string> models;
  uint64_t freed_bytes = 0;
};

// A file to upload: where it is, and its name in the model folder.
struct upload_file {
  std::filesystem::path source;
  std::string name;
  uint64_t size_bytes = 0;
};

struct connect_options {
  std::string address;        // host:port; tls://host:port where the gateway has TLS
  std::string authority = {}; // of tls://: a PEM file of the certificates to trust; empty: those that the system trusts
  std::string token;
  std::shared_ptr<event_loop> loop;         // none: the client makes its own
  core::duration_us timeout_us = 5'000'000; // of one try to connect
  // Asked for the address at every try, instead of `address`. errc::unavailable: not known now, ask again.
  std::function<core::result<std::string>()> find_address = {};
  bool waits_when_refused =
      true; // a request that is refused with a hint when to retry does so; else that is its answer
};

class tenant_client {
public:
  // permission_denied: the token; unavailable: nobody answers there.
  static core::result<std::unique_ptr<tenant_client>> connect(const connect_options& options);
  // Connects with the first call, whose patience it is then: a request waits for a cluster until its deadline.
  static std::unique_ptr<tenant_client> open(const connect_options& options);
  ~tenant_client();

  core::result<std::vector<protocol::model_entry>> models();
  // The newest `last` loads of this tenant's models, newest last.
  core::result<std::vector<protocol::load_report>> loads(uint32_t last);
  // Streams the files, then waits for the store. `progress` gets the bytes sent so far. Never repeated by itself:
  // whoever loses the connection meanwhile looks at `models` before publishing again.
  core::result<protocol::publication> publish(const std::string& model, const std::vector<upload_file>& files,
                                              const std::function<void(uint64_t)>& progress,
                                              special_tokens special = special_tokens::library);
  // A version, or with `all` every version of a name. Waits for what runs on it. Never repeated by itself.
  core::result<withdrawal> unpublish(const std::string& model, bool all);
  core::result<uint64_t> ping(uint64_t value);
  // Pings with `in_flight` of them under way all the time; the latency of each in microseconds.
  core::result<std::vector<core::duration_us>> ping_many(size_t count, size_t in_flight);

  using answered = std::function<void(answer)>;
  using part_taken = std::function<void(answer_part)>;
  // Exactly one answer per call. The deadline counts from this call (0: the cluster's default), by this machine's
  // clock: connecting, waiting and trying again are part of it, and what comes after it is "late". A try that finds no
  // connection, loses it or is refused with a hint is followed by another, under the same key, as
  // clients/cpp/repetition says; "unavailable": so it went on until the deadline. "deadline_exceeded": no answer came
  // within a second after it.
  //
  // `take_part` gets pieces of a generated answer as they are computed, in order.
  // They come ahead of `done`, which has everything.
  void infer(const std::string& model, core::task_kind task, const input& what, core::duration_us deadline_us,
             answered done, part_taken take_part = {});
  // Runs callbacks until then.
  void run_until(core::time_us when);
  // Until at least one answer has come, none is pending, or then.
  void run_until_answer(core::time_us when);
  size_t pending() const;

private:
  struct state;
  explicit tenant_client(std::unique_ptr<state> state);

  std::unique_ptr<state> state_;
};

class admin_client {
public:
  static core::result<std::unique_ptr<admin_client>> connect(const connect_options& options);
  ~admin_client();

  core::result<protocol::cluster_status> status();
  core::result<std::vector<protocol::load_report>> loads(uint32_t last); // of all tenants
  core::result<std::vector<protocol::running_load>> running_loads();
  core::result<protocol::explanation> explain(const std::string& model);
  core::result<void> cordon(const std::string& device, bool on);
  // Both answer the bytes that became free. refused: requests use the model, or it is being loaded.
  core::result<uint64_t> evict(const std::string& device, const std::string& model);
  core::result<uint64_t> drop_cache();
  // After token files were changed; a token that is not good any more is refused from then on, and its connections end.
  core::result<void> read_tokens_again();

private:
  struct state;
  explicit admin_client(std::unique_ptr<state> state);

  std::unique_ptr<state> state_;
};

} // namespace fastptm::clients
