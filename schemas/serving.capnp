# What a tenant may ask. The capability is the authority: no request names its tenant.
#
# Expected failures are an Outcome with a status, never an exception; exceptions mean a broken connection or protocol.
@0xd8b84f3f946bf768;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("fastptm::schema");

using Report = import "report.capnp";

enum Status {
  # In the order of core/status.hpp.
  ok @0;
  late @1;               # served after its deadline, still correct
  deadlineExceeded @2;   # too late to be of use
  unavailable @3;        # something needed is down: a retry may help
  quotaExceeded @4;      # the tenant's bound is reached
  refused @5;            # the cluster is overloaded, or cannot serve this model
  notFound @6;
  permissionDenied @7;
  invalid @8;            # wrong, and stays wrong
}

struct Outcome {
  status @0 :Status;
  error @1 :Text;          # one line: what, where, what to do
  retryAfterUs @2 :UInt64; # 0: no hint
}

interface Gateway {
  # The bootstrap capability: all that a stranger can do is log in.
  login @0 (token :Text) -> (outcome :Outcome, tenant :Tenant, defaultDeadlineUs :UInt64, maxMessageBytes :UInt64);
  # defaultDeadlineUs: of requests that name none. maxMessageBytes: a larger message ends the connection.
  version @1 () -> (text :Text, protocol :UInt32);
}

interface Tenant {
  model @0 (fullName :Text) -> (outcome :Outcome, model :Model);
  # TENANT/NAME@VERSION; NAME alone is the newest version of one's own model.

  models @1 () -> (outcome :Outcome, models :List(Report.ModelStatus));

  publish @2 (modelName :Text, specialTokens :SpecialTokens) -> (outcome :Outcome, upload :Upload);

  loads @3 (last :UInt32) -> (outcome :Outcome, loads :List(Report.LoadReport));
  # The newest `last` loads of this tenant's models, newest last.

  ping @4 (value :UInt64) -> (value :UInt64);
  # There and back through the tenant's actor: what a request costs besides its work.

  unpublish @5 (fullName :Text, all :Bool) -> (outcome :Outcome, models :List(Text), freedBytes :UInt64);
  # Takes TENANT/NAME@VERSION back, or with `all` every version of TENANT/NAME. Queued requests for it end with notFound,
  # running ones are answered. Answers when nothing uses it any more and the bytes that nobody else needs are free.
}

interface Model {
  ask @0 (task :Task, request :Request, parts :Parts) -> (answer :Answer);
  # Exactly one answer, which holds everything. `parts`, if it is there, gets pieces of it as they are computed, in order
  # and ahead of the answer; tasks that compute their answer at once send none.
}

struct Task {
  # What to do with the input. A model does one kind.
  union {
    embed @0 :Void;
    classify @1 :Void;
    generate @2 :Generation;
  }
}

struct Generation {
  maxNewTokens @0 :UInt32; # 0: as many as the model has room for
}

interface Parts {
  part @0 (first :UInt32, ids :List(Int32), output :Data) -> stream;
  # `first`: the place of the first of them in the answer. A client whose connection broke comes again under the same key,
  # gets the parts from there on, and the whole with the answer.
}

struct Request {
  input :union {
    tokens :group {
      ids @0 :List(Int32);     # as they are: no special token is added
      types @1 :List(Int32);   # empty: zeros
    }
    text @2 :Text;             # tokenised with the model's own tokenizer, cut to its length
    pair :group {              # two texts that are read together: to classify
      first @5 :Text;
      second @6 :Text;
    }
  }
  deadlineUs @3 :UInt64;       # remaining when it was sent: clocks may differ; 0: the cluster's default
  key @4 :Data;                # 16 random bytes of the client's choice, or empty. A request whose key is that of one under
                               # way takes its place: it is computed once, and the latest to ask gets the answer.
  prompt @7 :Text;             # of the model's prompts, the one to put before the text; empty: its default
}

struct Answer {
  outcome @0 :Outcome;
  output @1 :Data;             # float32, little endian: the embedding or the logits
  label @2 :Int32;             # index of the largest logit
  node @3 :Text;               # whose device computed it
  loaded @4 :Bool;             # weights had to be moved for it
  queueUs @5 :UInt64;
  switchUs @6 :UInt64;
  runUs @7 :UInt64;
  totalUs @8 :UInt64;
  # For who draws up the schedule that really ran:
  device @9 :Text;             # node/device
  batch @10 :UInt64;           # requests that ran together have the same; 0: it never ran
  batchEndUs @11 :UInt64;      # on the clock of the device's machine; it computed for runUs until then

  tokens @12 :UInt32;          # that were computed, special ones included; 0 without an answer
  truncated @13 :Bool;         # the text had more of them
  labelName @14 :Text;         # of the largest logit, where the model's publisher named its labels
  labels @15 :List(LabelScore); # of all labels, by index, where several may be true or the logits are values
}

struct LabelScore {
  name @0 :Text;
  score @1 :Float32; # the sigmoid of its logit; for a regression the value itself
}

enum SpecialTokens {
  # What one is that is spelled out in a text: [SEP], say.
  library @0; # that token, as the library has it
  text @1;    # ordinary text: for those who serve strangers' texts
}

interface Upload {
  # A folder on its way in. Dropping the capability before `finish` has answered discards it.
  file @0 (path :Text, sizeBytes :UInt64) -> (outcome :Outcome, writer :Writer);
  # `path` is relative with at most one folder; the writer takes exactly sizeBytes.

  finish @1 () -> (outcome :Outcome, publication :Report.Publication);
}

interface Writer {
  write @0 (data :Data) -> stream;
  done @1 () -> (outcome :Outcome);
}
