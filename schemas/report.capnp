# What the cluster tells about itself: its state, and the account of every load.
#
# protocol/reports/ has the same structs and says what their fields mean; the two meet by name (schemas/by_name.hpp), and
# tests/schemas holds them together.
@0xaf2984f9caba6f8c;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("fastptm::schema");

struct ClusterStatus {
  nodes @0 :List(NodeStatus);
  models @1 :List(ModelStatus);
  tenants @2 :List(Text);
}

enum NodeState { ready @0; suspect @1; lost @2; }

struct NodeStatus {
  name @0 :Text;
  pid @1 :UInt32;
  incarnation @2 :UInt64;
  roles @3 :List(Text);
  state @4 :NodeState;
  devices @5 :List(DeviceStatus);
}

struct DeviceStatus {
  name @0 :Text;
  kind @1 :Text;
  arenaBytes @2 :UInt64;
  usedBytes @3 :UInt64;
  resident @4 :List(Text);
  cordoned @5 :Bool;
  loads @6 :List(PlannedLoad);
  lanes @7 :List(LaneStatus);
  hardware @8 :Text;
  damagedShards @9 :UInt64;
  repairedShards @10 :UInt64;
}

enum LoadReason { request @0; prefetch @1; replica @2; }

struct PlannedLoad {
  model @0 :Text;
  reason @1 :LoadReason;
  remainingUs @2 :Int64;
}

struct LaneStatus {
  model @0 :Text;
  requests @1 :UInt32;
  remainingUs @2 :Int64;
}

enum TaskKind { embed @0; classify @1; generate @2; }

struct ModelStatus {
  name @0 :Text;
  architecture @1 :Text;
  bytes @2 :UInt64;
  shards @3 :UInt32;
  task @4 :TaskKind;
  queued @5 :UInt32; # this and the next are told to administrators only
  late @6 :UInt32;
}

struct RunningLoad {
  id @0 :UInt64;
  model @1 :Text;
  device @2 :Text;
  peers @3 :List(Text);
}

struct Explanation {
  model @0 :Text;
  strategy @1 :Text;
  queued @2 :UInt32;
  late @3 :UInt32;
  hasHead @4 :Bool;
  headRemainingUs @5 :Int64;
  tenant @6 :Tenant;
  devices @7 :List(Device);

  struct Tenant {
    name @0 :Text;
    share @1 :UInt32;
    serviceUs @2 :UInt64;
    ahead @3 :Bool;
  }

  struct Load {
    reason @0 :LoadReason;
    source @1 :Text;
    remainingUs @2 :Int64;
  }

  struct Device {
    device @0 :Text;
    resident @1 :Bool;
    isLoading @2 :Bool;
    loading @3 :Load;
    missingBytes @4 :UInt64;
    source @5 :Text;
    loadUs @6 :Int64;
    engineWaitUs @7 :Int64;
    wouldGo @8 :List(Text);
    priceUs @9 :Int64;
    laneWaitUs @10 :Int64;
    runOneUs @11 :Int64;
    batch @12 :UInt32;
    runBatchUs @13 :Int64;
    hasValue @14 :Bool;
    valueMicroRps @15 :UInt64;
    against @16 :Text;
    againstForUs @17 :Int64;
  }
}

enum LoadOutcome { ok @0; failed @1; }

struct LoadReport {
  id @0 :UInt64;
  model @1 :Text;
  device @2 :Text;
  reason @3 :LoadReason;
  outcome @4 :LoadOutcome;
  error @5 :Text;
  bytesTotal @6 :UInt64;
  bytesShared @7 :UInt64;
  bytesMoved @8 :UInt64;
  wallUs @9 :Int64;
  verifiedChunks @10 :UInt32;
  badChunks @11 :UInt32;
  refetchedChunks @12 :UInt32;
  stages @13 :List(Stage);
  sources @14 :List(Source);
  limit @15 :Limit;
  orderedUs @16 :Int64;
  leftUs @17 :Int64;
  critical @18 :Text;
  hiddenPpm @19 :UInt64;

  struct Stage {
    name @0 :Text;
    startUs @1 :Int64;
    endUs @2 :Int64;
  }

  struct Source {
    kind @0 :Text;
    node @1 :Text;
    path @2 :Text;
    bytes @3 :UInt64;
    chunks @4 :UInt32;
    rateBps @5 :UInt64;
    failed @6 :Bool;
    startUs @7 :Int64;
    endUs @8 :Int64;
  }

  struct Limit {
    link @0 :Text;
    rateBps @1 :UInt64;
    fractionPpm @2 :UInt64;
    from @3 :Text;
    to @4 :Text;
    isMeasured @5 :Bool;
  }
}

struct Publication {
  model @0 :Text;
  bytes @1 :UInt64;
  shards @2 :UInt32;
  newShards @3 :UInt32;
  newBytes @4 :UInt64;
  architecture @5 :Text;
}
