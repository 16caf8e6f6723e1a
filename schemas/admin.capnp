# What the operator of a cluster may see and do. Served on loopback, with a token of its own.
@0x8fb806fd17296741;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("fastptm::schema");

using Report = import "report.capnp";
using Serving = import "serving.capnp";

interface AdminGateway {
  login @0 (token :Text) -> (outcome :Serving.Outcome, admin :Admin);
}

interface Admin {
  status @0 () -> (outcome :Serving.Outcome, status :Report.ClusterStatus);

  loads @1 (last :UInt32) -> (outcome :Serving.Outcome, loads :List(Report.LoadReport));
  # Of all tenants, newest last.

  cordon @2 (device :Text, on :Bool) -> (outcome :Serving.Outcome);
  # A cordoned device gets no new work and stays a source of weights.

  evict @3 (device :Text, fullName :Text) -> (outcome :Serving.Outcome, freedBytes :UInt64);
  # Takes a model off a device; refused while requests use it. What another model shares stays.

  dropCache @4 () -> (outcome :Serving.Outcome, freedBytes :UInt64);
  # Empties the host cache, so that the next load reads the disk. What a load is reading stays.

  runningLoads @5 () -> (outcome :Serving.Outcome, loads :List(Report.RunningLoad));
  # Under way now, at most one per device.

  explain @6 (fullName :Text) -> (outcome :Serving.Outcome, explanation :Report.Explanation);
  # Why a model is served where it is, or not.

  readTokensAgain @7 () -> (outcome :Serving.Outcome);
  # After the tokens in the state folder were changed. The connections of a token that is not good any more have ended
  # when this answers, or end at once.
}
