# What the cluster tells about itself: its state, and the account of every load.
@0xaf2984f9caba6f8c;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("fastptm::schema");

struct ClusterStatus {
  nodes @0 :List(NodeStatus);   # every configured node, alive or not, in the order of the configuration
  models @1 :List(ModelStatus);
  tenants @2 :List(Text);
}

enum NodeState {
  ready @0;    # renews its lease
  suspect @1;  # has missed heartbeats; its lease still runs
  lost @2;     # not joined, or its lease has run out
}

struct NodeStatus {
  name @0 :Text;
  pid @1 :Int32;            # 0 when it has never joined
  incarnation @2 :UInt64;   # random, one per life of the process
  roles @3 :List(Text);
  state @4 :NodeState;
  devices @5 :List(DeviceStatus);
}

struct DeviceStatus {
  name @0 :Text;            # node/device
  kind @1 :Text;            # host or cuda
  arenaBytes @2 :UInt64;
  usedBytes @3 :UInt64;
  resident @4 :List(Text);  # models with every shard on the device and verified
  cordoned @5 :Bool;        # gets no new work
  loads @6 :List(PlannedLoad); # on their way or waiting for a copy engine, in the order they will be done
  lanes @7 :List(LaneStatus);
}

struct PlannedLoad {
  model @0 :Text;
  reason @1 :Text;          # request, prefetch or replica
  remainingUs @2 :UInt64;   # estimated
}

struct LaneStatus {
  model @0 :Text;           # empty: nothing runs
  requests @1 :UInt32;      # of the batch
  remainingUs @2 :UInt64;   # estimated
}

struct ModelStatus {
  name @0 :Text;            # TENANT/NAME@VERSION
  architecture @1 :Text;    # e.g. bert-6x384-f32
  bytes @2 :UInt64;
  shards @3 :UInt32;
  task @4 :Text;            # embed or classify
  queued @5 :UInt32;        # requests that wait and can still be on time; told to administrators only
  late @6 :UInt32;          # requests that wait and cannot
}

struct RunningLoad {
  # A load that has found its sources and has not ended.
  id @0 :UInt64;
  model @1 :Text;
  device @2 :Text;
  peers @3 :List(Text);     # devices it may read from
}

struct Explanation {
  # The terms that a decision about a model weighs now.
  model @0 :Text;
  strategy @1 :Text;
  tenant @2 :Text;
  tenantShare @3 :UInt32;
  tenantServiceUs @4 :UInt64; # run time, switches and moved bytes, charged in all
  tenantAhead @5 :Bool;     # of its share: others go first
  queued @6 :UInt32;        # can still be on time
  late @7 :UInt32;
  hasHead @8 :Bool;
  headLeftUs @9 :Int64;     # to the earliest deadline, if hasHead
  devices @10 :List(Device);

  struct Device {
    name @0 :Text;
    resident @1 :Bool;
    loading @2 :Bool;
    reason @3 :Text;        # of the load under way
    loadingLeftUs @4 :UInt64;
    tier @5 :Text;          # peer, home or remote: where bytes come from; of interest unless resident
    missingBytes @6 :UInt64;
    loadUs @7 :UInt64;      # moving them
    engineWaitUs @8 :UInt64; # until a copy engine is free
    laneWaitUs @9 :UInt64;  # until a lane is free
    runOneUs @10 :UInt64;   # one request
    batch @11 :UInt32;      # what waits, up to the largest batch
    runBatchUs @12 :UInt64;
    hasValue @13 :Bool;
    valueMicroRps @14 :UInt64; # of a visit: discounted requests per second, in millionths
    against @15 :Text;      # why it is not served here now; none
    againstForUs @16 :UInt64; # until that ends by itself; 0: not known
    wouldGo @17 :List(Text); # models that a load would displace
    priceUs @18 :UInt64;    # what giving them up is expected to cost: bringing each back, times how soon
  }
}

struct LoadReport {
  # One load. Times are microseconds since the load was decided.
  id @0 :UInt64;
  model @1 :Text;
  device @2 :Text;
  reason @3 :Text;          # request, prefetch or replica
  ok @4 :Bool;
  error @5 :Text;
  bytesTotal @6 :UInt64;    # of the weight set
  bytesShared @7 :UInt64;   # were on the device already, as shards of other models
  bytesMoved @8 :UInt64;
  wallUs @9 :UInt64;
  verifiedChunks @10 :UInt32;
  badChunks @11 :UInt32;
  refetchedChunks @12 :UInt32;
  stages @13 :List(Stage);
  sources @14 :List(Source);
  limit @15 :Limit;
  orderedUs @16 :UInt64;    # on the clock of the device's machine: what the times of this load count from
  leftUs @17 :UInt64;       # on that clock, when the set had left the device; 0: it has not

  struct Stage {
    name @0 :Text;
    startUs @1 :UInt64;
    endUs @2 :UInt64;
  }

  struct Source {
    kind @0 :Text;          # same_device, peer_device, peer_host, host_cache, disk, origin
    node @1 :Text;
    path @2 :Text;          # map, cma, tcp, io_uring, ...
    bytes @3 :UInt64;
    chunks @4 :UInt32;
    rateBps @5 :UInt64;     # bytes per second
    failed @6 :Bool;
  }

  struct Limit {
    # The slowest link of the load, what it could carry, and the share of that which was reached.
    link @0 :Text;
    rateBps @1 :UInt64;
    fractionPpm @2 :UInt32;
  }
}
